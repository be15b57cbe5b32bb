// Rounding to the MX formats, NVFP4 and integers in blocks, by vector instructions.
//
// Vectors round the blocks whose scale is well inside float32's exponent range. The scalar reference (scale.h) rounds
// the others: blocks with a NaN, an infinity or a scale near the ends of that range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/element.h"
#include "format/rounding.h"
#include "format/scale.h"

namespace fakequant {

inline constexpr int kMxBlock = 32;

// Rounds a row in place, block by block as round_mx_block does; the last block may be short. `random` as in
// round_to_element. Returns how many values saturated.
std::int64_t round_to_mx(const Element& element, Rounding rounding, ScaleRule rule, std::span<float> row,
                         const std::uint32_t* random);

// Rounds a row block by block as round_integer_block does, for block sizes with can_round_together(): multiples of 16,
// up to kIntegersTogether.
inline constexpr std::size_t kIntegersTogether = 1024;
bool can_round_together(std::int64_t integer_block);
std::int64_t round_to_integer_blocks(int bits, std::int64_t block, Rounding rounding, std::span<float> row,
                                     const std::uint32_t* random);

// Rounds a row block by block as round_nvfp4_block does.
std::int64_t round_to_nvfp4(float outer, Rounding rounding, std::span<float> row, const std::uint32_t* random);

}  // namespace fakequant
