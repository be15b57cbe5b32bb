// Rounding to the MX formats, NVFP4 and integers in blocks, by vector instructions.
//
// A block whose scale lies where float32 is plain goes through vectors; one with a NaN, an infinity or a scale at the
// edges of float32's exponents goes through the reference (scale.h), which is slower and never in a hurry.
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

// The same as round_integer_block does, for blocks of which can_round_together() is true: multiples of 16 that are not
// too long.
inline constexpr std::size_t kIntegersTogether = 1024;
bool can_round_together(std::int64_t integer_block);
std::int64_t round_to_integer_blocks(int bits, std::int64_t block, Rounding rounding, std::span<float> row,
                                     const std::uint32_t* random);

// The same as round_nvfp4_block does.
std::int64_t round_to_nvfp4(float outer, Rounding rounding, std::span<float> row, const std::uint32_t* random);

}  // namespace fakequant
