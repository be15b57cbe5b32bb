// What there is to round in a model: every weight and every activation that a rule can name, who reads it, and what the
// rules at hand would do with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/context.h"
#include "gguf/gguf_model.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

struct WeightEntry {
  std::string name;
  std::string type;
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  int layer = -1;               // -1 for what belongs to no layer
  std::vector<Reader> readers;  // none where the graph was not looked at
  std::string format;           // that a rule gives it; empty for none
  std::string stored_as;        // then
};

struct ActivationEntry {
  ActivationSite site;                // its shape is that for one token
  std::vector<std::string> roles;     // that it plays
  std::string format;                 // that a rule gives it; empty for none
  std::string tokens;                 // to which
  std::vector<Reader> other_readers;  // that the rule does not mean
};

struct SiteList {
  std::string model;
  int layers = 0;
  std::string recipe;
  bool only_named = false;  // what no rule names has been left out
  std::vector<WeightEntry> weights;
  std::vector<ActivationEntry> activations;
  std::string
      not_measured;  // why the activations are not listed, of a model of a kind that is not measured; else empty
};

// The weights. Throws as plan_rounding does.
SiteList list_weights(const GgufModel& model, const Recipe& recipe, const ApplySettings& storage);

// The weights and the activations. `context` has a tap with the recipe's activation rules.
SiteList list_sites(const GgufModel& model, const Recipe& recipe, const ApplySettings& storage, const Context& context);

// Only what one of the patterns selects. Throws a usage error when a pattern selects nothing.
SiteList chosen_sites(SiteList sites, const std::vector<SitePattern>& patterns);

// Only what the rules name.
SiteList named_sites(SiteList sites);

}  // namespace fakequant
