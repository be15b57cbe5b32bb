// Plans the variants of a sweep: each site in each format, optionally one variant for each layer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recipe/rule.h"
#include "recipe/site_match.h"

namespace fakequant {

struct SweepQuestion {
  std::vector<SitePattern> sites;
  std::vector<RuleFormat> formats;
  bool by_layer = false;
};

// The sites of a model.
struct ModelSites {
  std::vector<Site> weights, activations;
  int weight_layers = 0, activation_layers = 0;  // number of layers according to the file and to llama.cpp
};

struct PlannedVariant {
  Rule rule;
  std::string site, format;
  std::optional<int> layer;
  int lowest_layer = 0;            // the first changed layer; 0 also if a changed site belongs to no layer
  bool is_layered = false;         // all changed sites belong to layers
  std::vector<std::size_t> sites;  // the changed sites, as indices into the model's sites of the rule's kind
};

struct SweepPlan {
  std::vector<PlannedVariant> variants;  // by site, format and layer, in the order of the question; no duplicates
  std::vector<std::string> notes;        // what was left out: layers in which a site matches nothing, formats that do
                                         // not fit
};

// Throws a usage error if a format cannot be applied to a site, or a site matches nothing.
SweepPlan plan_sweep(const SweepQuestion& question, const ModelSites& model);

// Leaves out the variants in which a weight's rows cannot be held in the format, such as rows of 576 values in blocks
// of 256, and notes them. Where no variant would be left, all stay: measuring them says why it cannot be done.
void leave_out_misfits(SweepPlan& plan, const ModelSites& model);

// Keeps every `count`th variant, starting with the `shard`th (counted from 1).
void take_shard(SweepPlan& plan, int shard, int count);

}  // namespace fakequant
