// The integers behind values that were rounded to integers: value = step x code.
//
// Whoever rounds to integers keeps codes and multiplies these; here a rounded value is a float again. The codes are
// found from the values alone, whatever format, file or scale they come from: the step is the largest of which all of
// them are multiples, so that their codes have no common factor. That is the scale where the values were divided by it,
// but for rows so sparse that their codes happen to have one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace fakequant {

// The largest code that is looked for.
inline constexpr std::int32_t kLargestCode = 32768;

// Writes the code of each value; returns the step, 0 where all values are. None where no step has codes that are small
// enough: a value may lie off its multiple by 2^-10 of itself, as one does that is stored in F16, and by a fifth of the
// step. A NaN or an infinity has no code.
std::optional<float> find_codes(std::span<const float> values, std::span<std::int32_t> codes);

}  // namespace fakequant
