// How good predictions were, once what they were about has been measured.
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
  double rank_correlation = 0;  // Spearman's, over all of them; NaN for less than three
  double median_error = 0;      // of |predicted - measured| / measured, over those that measured more than 0
  double largest_error = 0;     // likewise
  double within = 0;            // the part of them whose measured value lies in the interval
};

PredictionQuality quality_of(const std::vector<PredictedAndMeasured>& variants);

// Spearman's: the correlation of the ranks, where equal values share the mean of theirs. NaN for less than three, or
// where all values of one are equal.
double rank_correlation(std::span<const double> a, std::span<const double> b);

}  // namespace fakequant
