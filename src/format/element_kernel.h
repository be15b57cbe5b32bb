// Rounding to an element, at the speed of memory: the reference's bits, by vector instructions.
#pragma once

#include <cstdint>
#include <span>

#include "format/element.h"
#include "format/rounding.h"
#include "format/scale.h"

namespace fakequant {

// Rounds each value in place as round_reference does. `random` has a random word for each value if the rounding
// is_random(), and is null otherwise. Returns how many values saturated. At most 2^31 values.
std::int64_t round_to_element(const Element& element, Rounding rounding, bool saturate, std::span<float> values,
                              const std::uint32_t* random);

// Rounds each value in place as round_to_scaled does. The element has fewer exponent bits than float32. `random` and
// the result as above.
std::int64_t round_to_scaled_element(const Element& element, const FloatScale& scale, Rounding rounding,
                                     std::span<float> values, const std::uint32_t* random);

// Rounds each group of values under a scale of its own. Groups have so many values one after another; the first one's
// are fewer by `offset`, and the last one's may be.
std::int64_t round_to_scaled_groups(const Element& element, std::span<const FloatScale> scales, std::size_t group,
                                    std::size_t offset, Rounding rounding, std::span<float> values,
                                    const std::uint32_t* random);

}  // namespace fakequant
