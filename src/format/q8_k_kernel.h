// What ggml's q8_K makes of values, by vector instructions: the bits of quantize_row_q8_K_ref and dequantize_row_q8_K
// of ggml-quants.c, which round the inputs of products with K-quants.
//
// Of 256 values the one of the largest magnitude, the first of equals, becomes -127: with iscale = -127 / it, a code is
// min(127, round(iscale x value)), ties to even, and stands for code x (1 / iscale).
#pragma once

#include <cstddef>
#include <span>

namespace fakequant {

inline constexpr std::size_t kQ8KBlock = 256;

// Rounds whole blocks in place, up to the first that has a NaN, an infinity, or an absmax whose scale is near the ends
// of float32's range. Returns how many values it has rounded: all of them, or those before that block.
std::size_t round_to_q8_k(std::span<float> values);

}  // namespace fakequant
