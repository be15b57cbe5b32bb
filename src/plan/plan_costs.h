// What a plan chooses from: for each site and layer of a study, the formats that it was measured in, with what each
// costs in bits and in divergence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "recipe/rule.h"
#include "study/study_database.h"

namespace fakequant {

struct PlanOption {
  std::optional<Rule> rule;   // none: the part stays as it is
  std::string format;         // the rule's; empty for none
  std::int64_t bits = 0;      // of all values of the part, their scales included
  double kld = 0;             // nats, where nothing else is rounded
  double kld_error = 0;       // its standard error
  bool is_predicted = false;  // from other variants, and not measured
};

// What gets one format: a site in a layer, or where it was measured as one, as a whole.
struct PlanPart {
  SiteKind kind = SiteKind::weight;
  std::string site;          // "a:ffn_input"
  std::optional<int> layer;  // none: all that the site names
  std::vector<std::string> names;
  std::int64_t values = 0;          // of an activation: for one token
  std::vector<PlanOption> options;  // the first leaves it as it is
};

struct PlanCosts {
  std::vector<PlanPart> parts;  // by site, as the study got them, and layer
  std::string storage;          // of quantized weights, as the study has it
  std::vector<std::string> notes;
};

// Of a study that has a subject: its parts that one of the sites names, or all where there are none. `storage` says
// which variants of quantized weights are meant where the study has several. Throws an Error where the study has
// nothing to choose from, a usage error where two parts have a value in common or a site is not the study's.
PlanCosts plan_costs(const StudyDatabase& study, const std::vector<SitePattern>& sites,
                     const std::optional<std::string>& storage);

// The indices of the parts of a site. Throws a usage error with the nearest sites if there are none.
std::vector<std::size_t> parts_at(const std::vector<PlanPart>& parts, const SitePattern& site, int layers);

}  // namespace fakequant
