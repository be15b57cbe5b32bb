// Rounding to integers under a scale, and the statistics that choose the scale, by vector instructions.
#pragma once

#include <cstdint>
#include <span>

#include "format/rounding.h"
#include "format/scale.h"

namespace fakequant {

// Rounds the values in place, as round_to_integer does each of them. `random` as in round_to_element. Returns how many
// values saturated. At most 2^31 values.
std::int64_t round_to_integers(const IntegerScale& scale, Rounding rounding, std::span<float> values,
                               const std::uint32_t* random);

// The sum over the finite values of (round_to_integer(x) - x)^2, in double; not for random roundings. The order of the
// additions depends on the instruction set, and so may the last bits.
double integer_squared_error(const IntegerScale& scale, Rounding rounding, std::span<const float> values);

// The range of the finite values.
ValueRange range_of(std::span<const float> values);

// Widens each range by that of a group of the values: of so many after another, the last group's may be fewer.
void widen_ranges(std::span<const float> values, std::size_t group, std::span<ValueRange> ranges);

}  // namespace fakequant
