// The options of the C++ interface as the rest of the library has them: checked, with defaults in place of what is
// left out.
#pragma once

#include <fakequant/session.hpp>
#include <vector>

#include "engine/compute_options.h"
#include "measure/text.h"
#include "weights/apply.h"

namespace fakequant::v0 {

// `otherwise`: the arithmetic where none is named. Throws a usage error for what cannot be computed so.
fakequant::ComputeOptions settled_compute(const ComputeOptions& options, Arithmetic otherwise);

// Throws a usage error for a type that is unknown, or both ways of storing.
ApplySettings settled_storage(const WeightStorage& storage, const fakequant::ComputeOptions& compute);

// Throws an Error where a file cannot be read, and a usage error where there is no text.
std::vector<fakequant::Text> settled_texts(const std::vector<Text>& texts);

// Throws a usage error for a number of `what` below `least`.
void check_number(const char* what, int number, int least = 0);

}  // namespace fakequant::v0
