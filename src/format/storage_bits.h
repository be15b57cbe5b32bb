// How much memory values take when they are held in a number format: their codes, and the scales that they share.
#pragma once

#include <cstdint>

#include "format/format.h"

namespace fakequant {

// The values of a weight, or of an activation for one token.
struct ValueRows {
  std::int64_t rows = 0;
  std::int64_t length = 0;  // values in a row

  std::int64_t values() const { return rows * length; }
  bool operator==(const ValueRows&) const = default;
};

// What shares a scale where the format does not say: a row of a weight, all rows of a token.
enum class ScaledAs { weight, activation };

// In bits. An integer's scale takes 32, in mode=asym a zero point as wide as a code beside it; MX's 8, NVFP4's 8 and 32
// more over all values. A scale from a static range is the same for all tokens, and is not counted.
std::int64_t storage_bits(const Format& format, const ValueRows& values, ScaledAs scaled);

}  // namespace fakequant
