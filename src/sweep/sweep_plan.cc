#include "sweep/sweep_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "format/fake_quantize.h"

namespace fakequant {
namespace {

// The sites of a rule's kind.
class RuleSites {
 public:
  RuleSites(const Rule& rule, const ModelSites& model)
      : sites_(rule.pattern.kind == SiteKind::weight ? model.weights : model.activations),
        layers_(rule.pattern.kind == SiteKind::weight ? model.weight_layers : model.activation_layers) {}

  int layers() const { return layers_; }

  // Throws if the rule matches nothing.
  void check(const Rule& rule) const { match_sites({rule}, sites_, layers_); }

  // Sets the sites and layers that the variant changes. Returns false if its rule matches nothing.
  bool find_sites(PlannedVariant& variant) const {
    const auto winners = winning_rules({variant.rule}, sites_, layers_);
    variant.sites.clear();
    variant.is_layered = true;
    variant.lowest_layer = layers_;
    for (std::size_t i = 0; i < winners.size(); ++i) {
      if (!winners[i]) continue;
      variant.sites.push_back(i);
      variant.is_layered = variant.is_layered && sites_[i].layer.has_value();
      variant.lowest_layer = std::min(variant.lowest_layer, sites_[i].layer.value_or(0));
    }
    return !variant.sites.empty();
  }

 private:
  const std::vector<Site>& sites_;
  int layers_;
};

std::string layers_text(const std::vector<int>& layers) {
  return fmt::format("{} {}", layers.size() == 1 ? "layer" : "layers", fmt::join(layers, ", "));
}

// The variants of a rule, one for each layer.
std::vector<PlannedVariant> by_layer(const Rule& rule, const RuleSites& sites, std::vector<std::string>& notes) {
  const auto site = to_string(in_all_layers(rule.pattern));
  std::vector<PlannedVariant> variants;
  std::vector<int> empty;
  for (int layer = 0; layer < sites.layers(); ++layer) {
    if (!rule.pattern.layers.contains(layer, sites.layers())) continue;
    PlannedVariant variant{rule, site, format_text(rule), layer, 0, false, {}};
    variant.rule.pattern = in_layer(rule.pattern, layer);
    if (sites.find_sites(variant)) {
      variants.push_back(std::move(variant));
    } else {
      empty.push_back(layer);
    }
  }
  if (variants.empty()) {
    notes.push_back(fmt::format("{} belongs to no layer, and is measured as one.", site));
  } else if (!empty.empty()) {
    notes.push_back(fmt::format("{} names nothing in {}, which {} left out.", site, layers_text(empty),
                                empty.size() == 1 ? "is" : "are"));
  }
  return variants;
}

}  // namespace

SweepPlan plan_sweep(const SweepQuestion& question, const ModelSites& model) {
  SweepPlan plan;
  std::set<std::string> seen;
  const auto add = [&](PlannedVariant variant) {
    if (seen.insert(to_string(variant.rule)).second) plan.variants.push_back(std::move(variant));
  };
  for (const auto& site : question.sites) {
    std::vector<std::string> notes;
    for (const auto& format : question.formats) {
      const auto rule = make_rule(site, format);
      const RuleSites sites(rule, model);
      sites.check(rule);
      notes.clear();  // every format has the same notes
      auto variants = question.by_layer ? by_layer(rule, sites, notes) : std::vector<PlannedVariant>{};
      if (variants.empty()) {
        variants.push_back({rule, to_string(rule.pattern), format_text(rule), {}, 0, false, {}});
        sites.find_sites(variants.back());
      }
      for (auto& variant : variants) add(std::move(variant));
    }
    plan.notes.insert(plan.notes.end(), notes.begin(), notes.end());
  }
  return plan;
}

void leave_out_misfits(SweepPlan& plan, const ModelSites& model) {
  const auto is_misfit = [&](const PlannedVariant& variant) {
    if (variant.rule.pattern.kind != SiteKind::weight) return false;
    return std::any_of(variant.sites.begin(), variant.sites.end(), [&](std::size_t site) {
      const auto& shape = model.weights[site].shape;
      return !shape.empty() && !row_misfit(variant.rule.format, shape[0]).empty();
    });
  };
  if (std::all_of(plan.variants.begin(), plan.variants.end(), is_misfit)) return;
  std::vector<std::string> misfits;
  std::erase_if(plan.variants, [&](const PlannedVariant& variant) {
    if (!is_misfit(variant)) return false;
    auto name = fmt::format("{}={}", variant.site, variant.format);
    if (misfits.empty() || misfits.back() != name) misfits.push_back(std::move(name));
    return true;
  });
  for (const auto& name : misfits) {
    plan.notes.push_back(fmt::format("{} is left out where rows are no whole blocks of the format.", name));
  }
}

void take_shard(SweepPlan& plan, int shard, int count) {
  std::vector<PlannedVariant> taken;
  for (auto i = static_cast<std::size_t>(shard - 1); i < plan.variants.size(); i += static_cast<std::size_t>(count)) {
    taken.push_back(std::move(plan.variants[i]));
  }
  plan.variants = std::move(taken);
}

}  // namespace fakequant
