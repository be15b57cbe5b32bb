#include "measure/site_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/kernel_input.h"
#include "gguf/tensor_type.h"
#include "recipe/site_match.h"

namespace fakequant {
namespace {

std::vector<std::string> roles_of(const Site& site) {
  std::vector<std::string> roles;
  for (const auto& role : role_names()) {
    const bool is_played = std::any_of(site.feeds.begin(), site.feeds.end(), [&](const WeightName& weight) {
      return plays_role(role, weight_word(weight.name, weight.layer));
    });
    const bool is_in_graph = std::find(site.roles.begin(), site.roles.end(), role) != site.roles.end();
    if (is_played || is_in_graph || (site.is_logits && role == kLogitsRole)) roles.push_back(role);
  }
  return roles;
}

Site site_of(const WeightEntry& entry) {
  Site site{entry.name, entry.layer < 0 ? std::nullopt : std::optional(entry.layer)};
  site.shape = entry.shape;
  return site;
}

}  // namespace

SiteList list_weights(const GgufModel& model, const Recipe& recipe, const ApplySettings& storage) {
  SiteList list;
  list.model = model.path();
  list.layers = layer_count(model.tensors());
  list.recipe = to_string(recipe);
  for (const auto& tensor : model.tensors()) {
    list.weights.push_back({tensor.name,
                            type_name(tensor.type),
                            tensor.shape,
                            tensor.elements,
                            layer_of_tensor(tensor.name).value_or(-1),
                            {},
                            {},
                            {}});
  }
  for (const auto& planned : plan_rounding(model, rules_of_kind(recipe, SiteKind::weight), storage)) {
    list.weights[planned.tensor].format = planned.format;
    list.weights[planned.tensor].stored_as = type_name(planned.stored_as);
  }
  return list;
}

SiteList list_sites(const GgufModel& model, const Recipe& recipe, const ApplySettings& storage,
                    const Context& context) {
  auto list = list_weights(model, recipe, storage);
  auto readers = readers_of_weights(context.graph());
  for (auto& weight : list.weights) weight.readers = std::move(readers[weight.name]);
  std::map<std::string, SiteCounters> named;
  for (auto& counters : context.counters()) named.emplace(counters.site, counters);
  // Products with a weight that is stored as another type read their input otherwise.
  std::map<std::string, std::string> changed;
  for (const auto& planned : plan_rounding(model, rules_of_kind(recipe, SiteKind::weight), storage)) {
    const auto& name = model.tensors()[planned.tensor].name;
    const auto loaded = context.model().tensors().find(name);
    if (loaded == context.model().tensors().end()) continue;
    const auto type = input_type_of_changed(loaded->second, planned.stored_as);
    if (type) changed[name] = type_name(*type);
  }
  const bool is_exact = context.arithmetic() == Arithmetic::f32;
  const auto correct = [&](std::vector<Reader>& readers) {
    for (auto& reader : readers) {
      const auto found = changed.find(reader.weight);
      if (found != changed.end() && !reader.rounds_to.empty() && !is_exact) reader.rounds_to = found->second;
    }
  };
  for (const auto& site : context.sites()) {
    ActivationEntry entry{site, roles_of(site.site), {}, {}, {}};
    correct(entry.site.readers);
    if (const auto found = named.find(site.site.name); found != named.end()) {
      entry.format = found->second.format;
      entry.tokens = found->second.tokens;
      entry.other_readers = found->second.other_readers;
      correct(entry.other_readers);
    }
    list.activations.push_back(std::move(entry));
  }
  return list;
}

SiteList chosen_sites(SiteList sites, const std::vector<SitePattern>& patterns) {
  std::vector<Site> weights, activations;
  for (const auto& entry : sites.weights) weights.push_back(site_of(entry));
  for (const auto& entry : sites.activations) activations.push_back(entry.site.site);
  for (const auto& pattern : patterns) {
    check_matches(pattern, fmt::format("site '{}'", to_string(pattern)),
                  pattern.kind == SiteKind::weight ? weights : activations, sites.layers);
  }
  const auto is_chosen = [&](SiteKind kind, const Site& site) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const SitePattern& pattern) {
      return pattern.kind == kind && selects(pattern, site, sites.layers);
    });
  };
  std::erase_if(sites.weights, [&](const WeightEntry& entry) { return !is_chosen(SiteKind::weight, site_of(entry)); });
  std::erase_if(sites.activations,
                [&](const ActivationEntry& entry) { return !is_chosen(SiteKind::activation, entry.site.site); });
  return sites;
}

SiteList named_sites(SiteList sites) {
  sites.only_named = true;
  std::erase_if(sites.weights, [](const WeightEntry& weight) { return weight.format.empty(); });
  std::erase_if(sites.activations, [](const ActivationEntry& activation) { return activation.format.empty(); });
  return sites;
}

}  // namespace fakequant
