// What a study suggests by itself, before any budget: where a format loses nothing that counts, and where it must not
// be used.
#pragma once

#include <vector>

#include "plan/plan_costs.h"
#include "plan/plan_result.h"

namespace fakequant {

// For each part the format of fewest bits whose divergence is at most `negligible` nats, parts of a site together; and
// for each format that all parts of a kind have the few, at most a quarter, that make more than half of what it loses
// in all of them, where that is more than `negligible` for each part.
std::vector<PlanSuggestion> suggestions(const std::vector<PlanPart>& parts, double negligible);

}  // namespace fakequant
