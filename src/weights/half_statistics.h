// The statistics of values stored as 16-bit floats, at memory speed.
//
// Most of a model is stored in such types, and most chunks of a tensor are alike: finite values around zero that use
// all mantissa bits. For these, one pass over the stored codes with short sums in float is enough. Other chunks are
// widened and take the general path.
#pragma once

#include <cstdint>
#include <span>

#include "format/half_precision.h"
#include "weights/value_statistics.h"

namespace fakequant {

// Adds value_statistics() of the widened values to `total`, except low16_zero, which has no meaning here. The sums of
// most chunks of 16384 values are composed of short sums in float, whose many errors have both signs: of a million
// values the moments are accurate to about 1e-9. It is faster if `total` already has values of the same tensor.
void add_half_statistics(Half type, std::span<const std::uint16_t> stored, ValueStatistics& total);

}  // namespace fakequant
