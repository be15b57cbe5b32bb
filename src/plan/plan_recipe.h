// Builds the recipe of a plan: one rule for each site and format, with its layers.
#pragma once

#include <vector>

#include "plan/plan_costs.h"

namespace fakequant {

// `options` holds the index of the chosen option of each part; parts that are not rounded get no rule. `layers` is the
// number of layers of the model: a rule for all of them names none.
Recipe plan_recipe(const std::vector<PlanPart>& parts, const std::vector<std::size_t>& options, int layers);

}  // namespace fakequant
