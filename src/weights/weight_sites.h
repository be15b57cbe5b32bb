// The weights of a file as sites that rules can name, and how many of them each rule takes.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "recipe/rule.h"
#include "recipe/site.h"
#include "recipe/weight_class.h"

namespace fakequant {

// One for each tensor, in the file's order.
std::vector<Site> weight_sites(const GgufModel& model);

// What a rule takes of the model's weights: those that no later rule takes.
struct WeightsOfRule {
  std::string rule;
  std::map<WeightClass, std::size_t> taken;  // tensors of each class; none where later rules take all
  bool has_tied_embedding = false;           // the model has no output.weight, and its embedding is taken
};

// One for each weight rule of the recipe, in their order. Throws as match_sites does.
std::vector<WeightsOfRule> weights_of_rules(const GgufModel& model, const Recipe& recipe);

}  // namespace fakequant
