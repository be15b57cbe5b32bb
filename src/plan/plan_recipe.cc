#include "plan/plan_recipe.h"

#include <algorithm>

namespace fakequant {
namespace {

LayerSet layer_set(const std::vector<int>& layers, int count) {
  if (static_cast<int>(layers.size()) == count) return {};
  std::vector<LayerSet::Range> ranges;
  for (const int layer : layers) {
    if (!ranges.empty() && ranges.back().last + 1 == layer) {
      ranges.back().last = layer;
    } else {
      ranges.push_back({layer, layer});
    }
  }
  return {ranges};
}

// The parts of a site that share a format.
struct Group {
  std::string site;
  Rule rule;
  std::vector<int> layers;  // empty: those of the rule
};

}  // namespace

Recipe plan_recipe(const std::vector<PlanPart>& parts, const std::vector<std::size_t>& options, int layers) {
  std::vector<Group> groups;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto& part = parts[p];
    const auto& option = part.options[options[p]];
    if (!option.rule) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& other) {
      return other.site == part.site && format_of(other.rule) == format_of(*option.rule);
    });
    if (group == groups.end()) group = groups.insert(group, {part.site, *option.rule, {}});
    if (part.layer) group->layers.push_back(*part.layer);
  }
  Recipe recipe;
  for (auto& group : groups) {
    if (!group.layers.empty()) {
      std::sort(group.layers.begin(), group.layers.end());
      group.rule.pattern.layers = layer_set(group.layers, layers);
    }
    recipe.push_back(std::move(group.rule));
  }
  return recipe;
}

}  // namespace fakequant
