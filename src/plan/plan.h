// The best mix of formats that a study knows, under a budget of bits or of divergence.
//
// What a mix diverges is predicted as the sum of what its parts diverge by themselves: to first order the errors that
// independent roundings leave in the logits add in their squares, and so does the divergence, which is quadratic in
// them. docs/planning.md says how well that holds on the demo model.
//
// Weights and activations have budgets of their own, as they are stored in different memories. Since divergences add
// up, each kind is planned by itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/plan_costs.h"
#include "plan/plan_result.h"

namespace fakequant {

// The format that a plan has to give to a site.
struct KeptFormat {
  SitePattern site;
  std::optional<Format> format;  // none: the site stays as it is
};

// The maximum of bits for each value, on average over the values of a kind.
struct BitBudget {
  std::optional<SiteKind> kind;  // none: each kind that is planned
  double bits = 0;
};

struct PlanRequest {
  std::string study;
  std::vector<SitePattern> sites;      // to plan; empty: all of the study
  std::vector<KeptFormat> keep;        // the last that matches a site wins
  std::vector<BitBudget> bits;         // one for each kind at most
  std::optional<double> max_kld;       // of the plan, in place of the bits of the only kind, or of one of two
  std::optional<std::string> storage;  // of quantized weights, where the study has several
  double negligible_kld = 1e-5;        // that counts as no loss, nats; by Pinsker's inequality the probability of any
                                       // event changes by sqrt(kld / 2) at most: 0.2 %
};

// Throws as plan_costs does; a usage error where a budget cannot be kept, naming the least that can.
PlanResult make_plan(const StudyDatabase& study, const PlanRequest& request);

}  // namespace fakequant
