// Fake quantization: every value is replaced by the value of the code that it rounds to, as a float.
//
// This is the one function through which weights and activations are rounded, whatever the format; it can say in the
// same pass what the rounding did.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "format/format.h"
#include "format/random_words.h"
#include "format/rounding_errors.h"
#include "format/scale_search.h"

namespace fakequant {

// Where the values stand, for the formats that ask.
struct Placement {
  std::int64_t row = 0;                    // values in a row; 0: all values are one row
  std::optional<SharedScale> scale = {};   // of a group that holds these values and more, or of a static range; left
                                           // out: they are the group
  RandomStream random = {};                // stochastic rounding: the stream of their random words,
  std::uint64_t first = 0;                 // and the place in it of the first value
  std::span<const float> importance = {};  // block types: a weight for each column, or nothing
};

// Rounds the values in place. They are whole rows where the format needs_whole_rows(). Returns
// how many values saturated. Serial: callers split the work.
std::int64_t round_values(const Format& format, std::span<float> values, const Placement& placement = {});

// The same, and says what it did. The figures depend on the values and their order only.
RoundingErrors fake_quantize(const Format& format, std::span<float> values, const Placement& placement = {});

// Throws a usage error when rows of so many values cannot be held in the format: block types want whole blocks.
void check_row(const Format& format, std::int64_t row);

}  // namespace fakequant
