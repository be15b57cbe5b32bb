// The two 16-bit floats that models are stored in, F16 (IEEE 754-2019 binary16) and BF16, to float and back.
//
// ggml has these conversions too. These run at the speed of memory, which rewriting a model needs.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

enum class Half { f16, bf16 };

// Widens values.size() stored halves.
void widen(Half type, const std::uint16_t* stored, std::span<float> values);

// Rounds to the nearest half, ties to even. Values beyond the largest become infinity; NaN becomes a quiet NaN.
void narrow(Half type, std::span<const float> values, std::uint16_t* stored);

}  // namespace fakequant
