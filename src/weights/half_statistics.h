// The statistics of values that are stored as 16-bit floats, as fast as they can be read.
//
// Most of a model is stored so, and most of such a tensor is alike: finite values around zero that use every bit their
// type has. For these a pass over the stored codes and short sums in float are enough; what is not like that is
// widened, and goes the general way.
#pragma once

#include <cstdint>
#include <span>

#include "format/half_precision.h"
#include "weights/value_statistics.h"

namespace fakequant {

// Adds to `total` what value_statistics() of the widened values says, but for low16_zero, which says nothing here and
// is left out. Of most chunks of 16384 the sums are put together from short ones in float, whose errors are many and of
// both signs: of a million values the moments are then right to about 1e-9. It is faster where `total` holds values of
// the same tensor already.
void add_half_statistics(Half type, std::span<const std::uint16_t> stored, ValueStatistics& total);

}  // namespace fakequant
