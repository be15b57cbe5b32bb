// How far a node's values in the variant are from the baseline's.
//
// With a the baseline's values and b the variant's, over all rows of all evaluations:
//   relative error   ||b - a|| / ||a||  =  sqrt(sum (b - a)^2 / sum a^2)
//   SQNR             10 log10(sum a^2 / sum (b - a)^2) dB, which is -20 log10 of the relative error
//   cosine           sum a b / (||a|| ||b||)
// Pairs of which one is NaN or infinite, or whose difference is, are left out of all sums and maxima, and counted.
// Sums are in double, a row at a time and then over the rows in their order: no number of threads changes a bit.
#pragma once

#include <cstdint>
#include <span>

#include "format/rounding_errors.h"

namespace fakequant {

struct NodeDifference {
  RoundingErrors errors;                           // b against a; what only a rounding knows is 0
  double absmax_variant = 0;                       // largest finite |b|; errors.absmax is the baseline's
  std::int64_t odd_baseline = 0, odd_variant = 0;  // values that are NaN or infinite

  // Adds the figures of other values. Keep the order of the calls fixed.
  void add(const NodeDifference& other);

  bool is_exact() const { return errors.changed == 0; }  // bit for bit; two NaNs count as equal

  // 0 where nothing differs; infinite where the baseline is all 0 and the variant is not.
  double relative_error() const;

  // The same, but infinite where values became NaN or infinite, or finite again.
  double relative_harm() const;
};

// Of values of one size, in whole rows of `columns`. Serial where there are few.
NodeDifference difference_between(std::span<const float> baseline, std::span<const float> variant, std::int64_t columns,
                                  int threads);

}  // namespace fakequant
