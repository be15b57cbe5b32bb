// llama-quantize's mixes, Q4_K_M and others, beside a plan: their sizes, and the divergence that the study foretells of
// them.
#pragma once

#include <vector>

#include "gguf/gguf_model.h"
#include "plan/plan_costs.h"
#include "plan/plan_result.h"

namespace fakequant {

// The mixes that llama.cpp makes of this model, smallest first. `parts` are the weights of the study. A mix that
// changes a tensor that is no part of the study, or gives one a type that the study does not have, has no divergence.
std::vector<PlainMix> plain_mixes(const GgufModel& model, const std::vector<PlanPart>& parts);

}  // namespace fakequant
