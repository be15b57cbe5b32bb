// The differences between two arrays of values: the sums and extremes from which a comparison is computed.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

struct ValueDifferences {
  std::int64_t changed = 0;     // pairs whose bits differ; two NaNs are equal
  std::int64_t not_finite = 0;  // those of them with a NaN or infinity
  // Over the pairs whose difference is finite, in double, where differences of floats are nearly exact:
  double max_abs = 0;  // of |a - b|
  double max_rel = 0;  // of |a - b| / |a|, without a = 0
  double sum_abs = 0, sum_error2 = 0, sum_a2 = 0, sum_b2 = 0, sum_ab = 0;

  // Adds the differences of other pairs. Sums depend on the order of the calls.
  void add(const ValueDifferences& other);
};

// Both spans have the same size.
ValueDifferences value_differences(std::span<const float> a, std::span<const float> b);

}  // namespace fakequant
