#include "measure/site_list.h"

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
    const auto type = product_input_type(planned.stored_as);
    if (type) changed[model.tensors()[planned.tensor].name] = type_name(*type);
  }
  const auto correct = [&](std::vector<Reader>& readers) {
    for (auto& reader : readers) {
      const auto found = changed.find(reader.weight);
      if (found != changed.end() && !reader.rounds_to.empty()) reader.rounds_to = found->second;
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

SiteList named_sites(SiteList sites) {
  sites.only_named = true;
  std::erase_if(sites.weights, [](const WeightEntry& weight) { return weight.format.empty(); });
  std::erase_if(sites.activations, [](const ActivationEntry& activation) { return activation.format.empty(); });
  return sites;
}

}  // namespace fakequant
