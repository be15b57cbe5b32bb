// BF16, the upper half of a float32: 1 sign bit, 8 exponent bits, 7 mantissa bits.
//
// Because the exponent is float32's own, rounding to it is arithmetic on the float's bits: the upper 16 bits are the
// code, the lower 16 say how far the value lies above that code. Source: the bfloat16 numerics definition (Intel,
// 338302-001US, 2018) for the layout; IEEE 754-2019, 4.3 for the roundings.
#pragma once

#include <bit>
#include <cstdint>

#include "format/format.h"

namespace fakequant {

// Returns the float32 value of the BF16 code that x rounds to. Nearest: a tie goes to the even code, and what lies half
// a step or more above the largest finite code becomes infinity. Zero: the lower half is dropped. -0, subnormals and
// infinities are kept in both; a NaN stays a NaN of the same sign, made quiet.
template <Rounding rounding>
inline float round_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  std::uint32_t rounded = bits;
  if constexpr (rounding == Rounding::nearest) {
    const std::uint32_t odd = (bits >> 16) & 1u;
    rounded += 0x7FFFu + odd;
  }
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  rounded = is_nan ? bits | 0x00400000u : rounded;
  return std::bit_cast<float>(rounded & 0xFFFF0000u);
}

}  // namespace fakequant
