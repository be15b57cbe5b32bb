// How two arrays of values differ: the sums and extremes that a comparison is made of.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

struct ValueDifferences {
  std::int64_t changed = 0;  // pairs whose bits differ; two NaNs count as equal
  std::int64_t not_finite =
      0;  // of these, pairs whose difference is not finite: of NaN or an infinity and another value
  // Over the pairs whose difference is finite, each taken in double, where differences of floats are all but exact:
  double max_abs = 0;  // of |a - b|
  double max_rel = 0;  // of |a - b| / |a|, a = 0 left out
  double sum_abs = 0, sum_error2 = 0, sum_a2 = 0, sum_b2 = 0, sum_ab = 0;

  // Adds those of other pairs. Sums depend on the order of the calls.
  void add(const ValueDifferences& other);
};

// Both spans have one size.
ValueDifferences value_differences(std::span<const float> a, std::span<const float> b);

}  // namespace fakequant
