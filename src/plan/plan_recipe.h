// The recipe of a plan: a rule for each site and format, with the layers that have it.
#pragma once

#include <vector>

#include "plan/plan_costs.h"

namespace fakequant {

// `options` says of each part which it takes. Parts that stay as they are need no rule. `layers`: of the model; a site
// that has one format in all of them is named without layers.
Recipe plan_recipe(const std::vector<PlanPart>& parts, const std::vector<std::size_t>& options, int layers);

}  // namespace fakequant
