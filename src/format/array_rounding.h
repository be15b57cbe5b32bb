// Rounding of arrays that belong to no model: what the libraries for C and C++ offer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "format/format.h"

namespace fakequant {

// A format at such arrays.
struct ArrayFormat {
  // Throws a usage error for a format that needs the ranges or factors of a model's sites.
  explicit ArrayFormat(Format format);

  Format weight;      // as it is at weights,
  Format activation;  // and with the scales that it has at activations
};

// What the values are.
struct ArrayPlace {
  std::int64_t token_rows = 0;                // 0: the rows are a weight; N: each N rows are a token of an activation
  std::optional<std::string_view> site = {};  // that random words depend on; none: the name of the format
  std::uint32_t position = 0;                 // of the first token, likewise
};

// Throws a usage error where the numbers are no shape, or the format is not for such values.
void check_array(const ArrayFormat& format, std::int64_t rows, std::int64_t columns, const ArrayPlace& place);

// Rounds rows of so many values in place, which check_array() allows. Returns how many values saturated.
std::int64_t round_array(const ArrayFormat& format, std::span<float> values, std::int64_t columns,
                         const ArrayPlace& place);

}  // namespace fakequant
