// A plan's weights as llama-quantize takes them: a file for its --tensor-type-file.
#pragma once

#include <string>

#include "plan/plan_result.h"

namespace fakequant {

// A line "^blk\.0\.ffn_up\.weight$=q4_k" for each tensor that the plan gives a format: a regular expression that
// matches the tensor's name alone, and a type of ggml. Throws a usage error if a format is not one of ggml's types, or
// the plan gives no weight a format.
std::string tensor_types(const PlanResult& plan);

}  // namespace fakequant
