// Rounding to scaled elements and integers in blocks, by vector instructions: MX formats, NVFP4, and the like.
//
// Vectors round the blocks whose scale is well inside float32's exponent range. The scalar reference (scale.h) rounds
// the others: blocks with a NaN, an infinity or a scale near the ends of that range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/format.h"

namespace fakequant {

// Whether the functions below take blocks of this size: those up to kLargestTogether. They are fastest for multiples of
// 16; others are padded.
inline constexpr std::size_t kLargestTogether = 1024;
bool can_round_together(std::int64_t block);

// Rounds a row in place, block by block as round_mx_block does; the last block may be short. `random` as in
// round_to_element. Returns how many values saturated.
std::int64_t round_to_mx(const Format& format, std::span<float> row, const std::uint32_t* random);

// Rounds a row block by block as round_integer_block does, for mode=sym.
std::int64_t round_to_integer_blocks(const Format& format, std::span<float> row, const std::uint32_t* random);

// Rounds a row block by block as round_scaled_block does.
std::int64_t round_to_scaled_blocks(const Format& format, float outer, std::span<float> row,
                                    const std::uint32_t* random);

}  // namespace fakequant
