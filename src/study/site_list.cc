#include "study/site_list.h"

#include <algorithm>
#include <map>

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
    if (is_played || (site.is_logits && role == kLogitsRole)) roles.push_back(role);
  }
  return roles;
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
    list.weights[planned.tensor].stored_as = planned.stored_as;
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
  for (const auto& site : context.sites()) {
    ActivationEntry entry{site, roles_of(site.site), {}, {}, {}};
    if (const auto found = named.find(site.site.name); found != named.end()) {
      entry.format = found->second.format;
      entry.tokens = found->second.tokens;
      entry.other_readers = found->second.other_readers;
    }
    list.activations.push_back(std::move(entry));
  }
  return list;
}

SiteList named_sites(SiteList sites) {
  std::erase_if(sites.weights, [](const WeightEntry& weight) { return weight.format.empty(); });
  std::erase_if(sites.activations, [](const ActivationEntry& activation) { return activation.format.empty(); });
  return sites;
}

}  // namespace fakequant
