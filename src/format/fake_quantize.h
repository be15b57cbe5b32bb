// Fake quantization: every value is replaced by the value of the code that it rounds to, as a float.
//
// This is the one function through which weights and activations are rounded; it says in the same pass what the
// rounding did.
#pragma once

#include <span>

#include "format/format.h"
#include "format/rounding_errors.h"

namespace fakequant {

// Rounds the values in place. The figures depend on the values and their order only. Serial: callers split the work.
RoundingErrors fake_quantize(const Format& format, std::span<float> values);

}  // namespace fakequant
