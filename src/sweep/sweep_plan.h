// The variants of a sweep: every site in every format, and, where asked for, in every layer by itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recipe/rule.h"
#include "recipe/site_match.h"

namespace fakequant {

struct SweepQuestion {
  std::vector<SitePattern> sites;
  std::vector<Format> formats;
  bool by_layer = false;
};

// The sites that a model has.
struct ModelSites {
  std::vector<Site> weights, activations;
  int weight_layers = 0, activation_layers = 0;  // how many layers there are, by the file and by llama.cpp
};

struct PlannedVariant {
  Rule rule;
  std::string site, format;
  std::optional<int> layer;
  int lowest_layer = 0;            // that it changes; 0 also where it changes what belongs to none
  bool is_layered = false;         // all that it changes belongs to layers
  std::vector<std::size_t> sites;  // what it changes, by its place among the model's sites of the rule's kind
};

struct SweepPlan {
  std::vector<PlannedVariant> variants;  // by site, format and layer, as they were asked for; none twice
  std::vector<std::string> notes;        // which layers have nothing that a site names
};

// Throws a usage error if a format does not suit a site, or a site matches nothing.
SweepPlan plan_sweep(const SweepQuestion& question, const ModelSites& model);

// Every `count`th variant, from the `shard`th (counted from 1) on.
void take_shard(SweepPlan& plan, int shard, int count);

}  // namespace fakequant
