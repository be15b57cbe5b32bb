// How much memory values take in a number format: their codes, and the scales that they share.
#pragma once

#include <cstdint>

#include "format/format_properties.h"

namespace fakequant {

// The values of a weight, or of an activation for one token.
struct ValueRows {
  std::int64_t rows = 0;
  std::int64_t length = 0;       // values in a row
  std::int64_t matrix_rows = 0;  // rows of each matrix in it; 0: it is one

  std::int64_t values() const { return rows * length; }
  bool operator==(const ValueRows&) const = default;
};

// In bits: the codes, each scale in its type, in mode=asym a zero point as wide as a code beside each scale, and the
// outer scale. A scale from a static range is the same for all tokens, and is not counted.
std::int64_t storage_bits(const Format& format, const ValueRows& values, ScaledAs scaled);

}  // namespace fakequant
