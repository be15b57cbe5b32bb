// Compares the values of a node in the variant with those in the baseline.
//
// With a the values of the baseline and b those of the variant, over all rows of all evaluations:
//   relative error   ||b - a|| / ||a||  =  sqrt(sum (b - a)^2 / sum a^2)
//   SQNR             10 log10(sum a^2 / sum (b - a)^2) dB, which is -20 log10 of the relative error
//   cosine           sum a b / (||a|| ||b||)
// Pairs with a NaN or infinite value or difference are counted, and left out of all sums and maxima. Sums are in
// double, first over each row and then over the rows in order, so the result does not depend on the number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "format/rounding_errors.h"

namespace fakequant {

struct NodeDifference {
  RoundingErrors errors;      // of b relative to a; fields specific to rounding are 0
  double absmax_variant = 0;  // largest finite |b|; errors.absmax is the baseline's
  std::int64_t not_finite_baseline = 0, not_finite_variant = 0;  // values that are NaN or infinite

  // Adds the figures of other values. Keep the order of the calls fixed.
  void add(const NodeDifference& other);

  bool is_exact() const { return errors.changed == 0; }  // bit for bit; two NaNs count as equal

  // 0 if nothing differs; infinite if the baseline is all 0 and the variant is not.
  double relative_error() const;

  // The same, but infinite if the numbers of values that are not finite differ.
  double relative_harm() const;
};

// Both spans must have the same size, a multiple of `columns`. Uses one thread if there are few values.
NodeDifference difference_between(std::span<const float> baseline, std::span<const float> variant, std::int64_t columns,
                                  int threads);

}  // namespace fakequant
