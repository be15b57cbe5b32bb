// Rounds the values of a group one after the other, where each depends on the rounding of those before it (fit=gptq).
//
// The scale of the group is found first, and holds for all of its values, whatever becomes of them in between. Values
// that stay as they were are rounded to the same bits as by round_values() (fake_quantize.h).
#pragma once

#include <span>

#include "format/format.h"
#include "format/reference.h"
#include "format/scale_search.h"

namespace fakequant {

struct GroupScale {
  SharedScale shared = {};
  int exponent = 0;  // of a microscaled block
};

// The scale of a group, as span_of_scale() says: a block, a row, or some values of a tensor. `shared` is what
// find_scale() of a weight gave, for formats that share a scale across a tensor. The values must be finite. Throws as
// scale_of() does.
GroupScale scale_of_group(const Format& format, const SharedScale& shared, std::span<const float> group);

// The value that x is rounded to. Not for random roundings, nor for block types.
Rounded round_in_group(const Format& format, const GroupScale& scale, float x);

}  // namespace fakequant
