// Compares predictions with later measurements.
#pragma once

#include <span>
#include <vector>

namespace fakequant {

struct PredictedAndMeasured {
  double predicted = 0, low = 0, high = 0;
  double measured = 0;
};

struct PredictionQuality {
  int compared = 0;             // variants
  double rank_correlation = 0;  // Spearman's, over all of them; NaN for fewer than three
  double median_error = 0;      // of |predicted - measured| / measured, over those with measured > 0
  double largest_error = 0;     // likewise
  double within = 0;            // fraction whose measured value lies in the interval
};

PredictionQuality quality_of(const std::vector<PredictedAndMeasured>& variants);

// Spearman's rank correlation; equal values share their mean rank. NaN for fewer than three values, or if all values of
// `a` or of `b` are equal.
double rank_correlation(std::span<const double> a, std::span<const double> b);

}  // namespace fakequant
