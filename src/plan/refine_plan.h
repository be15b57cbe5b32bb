// Improves a plan by measuring: the divergences of a study are of each part alone, on few tokens or predicted, and what
// they sum up to is not quite what the mix loses.
//
// A move makes some units dearer or cheaper: it multiplies their divergences by a factor, and chooses again under the
// same budget, with the smallest factor that changes the mix. So formats swap between units, and no budget is ever
// exceeded. A move is accepted if the new mix loses less than the one before on the same predictions, by more than
// chance explains (a paired test). The moves go from coarse to fine: all units of a site, thirds of the layers, a site
// in a third, single units; the whole again as long as that gains. What is found depends on the study, the request and
// the measurements alone.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "plan/plan.h"

namespace fakequant {

// The divergence of each prediction under a recipe, in nats, in the same order for every recipe. Unset: it was stopped.
using MeasureMix = std::function<std::optional<std::vector<double>>(const Recipe&)>;

struct RefineRequest {
  int tries = 0;  // mixes to measure after the first, at most
  MeasureMix measure;
};

// The plan of make_plan(), refined. Throws as make_plan() does, and a usage error without a budget that limits bits.
PlanResult refine_plan(const StudyDatabase& study, const PlanRequest& request, const RefineRequest& refine);

}  // namespace fakequant
