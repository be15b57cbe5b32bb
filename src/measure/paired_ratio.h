// Two series of times, measured in pairs: the ratio of their speeds, with its uncertainty.
//
// The machine's speed drifts; a pair is measured close together, so its ratio drifts less. The median of the pairs'
// ratios is quoted, with the interval between two of the ratios that holds the true median with 95 % confidence or
// more, whatever the distribution: each ratio lies below the median with probability 1/2, so how many do is binomial
// (the sign test's interval; Conover, Practical Nonparametric Statistics, section 3.2). Fewer than six pairs cannot
// tell as much.
#pragma once

#include <span>

namespace fakequant {

double median(std::span<const double> values);

inline constexpr int kFewestPairs = 6;

struct PairedRatio {
  double median = 1;
  double low = 1, high = 1;  // 95 % confidence
};

// Of variant[i] / baseline[i], for at least kFewestPairs pairs.
PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline);

}  // namespace fakequant
