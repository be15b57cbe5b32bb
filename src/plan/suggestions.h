// Suggestions that a study supports without a budget: where a format has a negligible loss, and where to avoid it.
#pragma once

#include <vector>

#include "plan/plan_costs.h"
#include "plan/plan_result.h"

namespace fakequant {

// no_loss: for each part the format of fewest bits whose divergence is at most `negligible` nats; parts of a site with
// the same format share a suggestion.
//
// costs_most: for each format that all parts of a kind have, the parts that cause more than half of its total loss, if
// they are at most a quarter of the parts and the total exceeds `negligible` nats per part.
std::vector<PlanSuggestion> suggestions(const std::vector<PlanPart>& parts, double negligible);

}  // namespace fakequant
