#include "weights/weight_sites.h"

#include <algorithm>

#include "gguf/gguf_file.h"
#include "recipe/site_match.h"

namespace fakequant {

std::vector<Site> weight_sites(const GgufModel& model) {
  std::vector<Site> sites;
  for (const auto& tensor : model.tensors()) {
    Site site{tensor.name, layer_of_tensor(tensor.name)};
    site.shape = tensor.shape;
    sites.push_back(std::move(site));
  }
  return sites;
}

std::vector<WeightsOfRule> weights_of_rules(const GgufModel& model, const Recipe& recipe) {
  const auto rules = rules_of_kind(recipe, SiteKind::weight);
  const auto sites = weight_sites(model);
  const auto winners = match_sites(rules, sites, layer_count(model.tensors()));
  const bool is_tied =
      std::none_of(sites.begin(), sites.end(), [](const Site& site) { return site.name == "output.weight"; });
  std::vector<WeightsOfRule> all;
  for (const auto& rule : rules) all.push_back({to_string(rule), {}, false});
  for (std::size_t s = 0; s < sites.size(); ++s) {
    if (!winners[s]) continue;
    auto& of_rule = all[*winners[s]];
    ++of_rule.taken[class_of_weight(sites[s].name, sites[s].shape)];
    if (is_tied && sites[s].name == "token_embd.weight") of_rule.has_tied_embedding = true;
  }
  return all;
}

}  // namespace fakequant
