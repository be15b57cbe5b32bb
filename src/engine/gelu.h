// GELU in float32. ggml's own rounds its input and its result to F16 (it looks them up in a table).
//
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (arXiv 1606.08415), section 2, both approximations.
#pragma once

#include <span>

namespace fakequant {

// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), in place.
void gelu(std::span<float> values);

// x / (1 + exp(-1.702 x)), in place.
void gelu_quick(std::span<float> values);

}  // namespace fakequant
