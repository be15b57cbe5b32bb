// The options of a plan: for each site and layer of a study, the measured formats with their costs in bits and in
// divergence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "recipe/rule.h"
#include "study/study_database.h"

namespace fakequant {

struct PlanOption {
  std::optional<Rule> rule;   // unset: the part is not rounded
  std::string format;         // of the rule; empty without one
  std::int64_t bits = 0;      // of all values of the part, including their scales
  double kld = 0;             // nats, if nothing else is rounded
  double kld_error = 0;       // standard error
  bool is_predicted = false;  // `kld` is predicted from other variants, not measured
};

// A unit that gets one format: a site in one layer, or a whole site if the study measured it as a whole.
struct PlanPart {
  SiteKind kind = SiteKind::weight;
  std::string site;          // "a:ffn_input"
  std::optional<int> layer;  // unset: all layers that the site names
  bool is_cache = false;     // the values are what attention's cache holds
  std::vector<std::string> names;
  std::int64_t values = 0;          // of an activation: per token
  std::vector<PlanOption> options;  // the first does not round
};

struct PlanCosts {
  std::vector<PlanPart> parts;  // by site, in the order of the study, then by layer
  std::string storage;          // of quantized weights, in the notation of the study
  std::vector<std::string> notes;
};

// Reads the parts that match one of `sites`, or all parts if it is empty. The study must have a subject. `storage`
// selects among the variants of quantized weights and is required if the study has several storages. Throws an Error if
// the study has no usable measurement, and a usage error if two parts overlap or a site matches no part.
PlanCosts plan_costs(const StudyDatabase& study, const std::vector<SitePattern>& sites,
                     const std::optional<std::string>& storage);

// The indices of the parts of a site. If there are none, throws a usage error that lists the nearest sites.
std::vector<std::size_t> parts_at(const std::vector<PlanPart>& parts, const SitePattern& site, int layers);

}  // namespace fakequant
