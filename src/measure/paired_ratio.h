// Two series of times, measured in pairs: the ratio of their speeds, with its uncertainty.
//
// The machine's speed drifts; a pair is measured close together, so its ratio drifts less. The median of the pairs'
// ratios is quoted, with the percentile bootstrap's interval (B. Efron, "Bootstrap methods", Ann. Statist. 7, 1979).
#pragma once

#include <span>

namespace fakequant {

double median(std::span<const double> values);

struct PairedRatio {
  double median = 1;
  double low = 1, high = 1;  // 95 % confidence
};

// Of variant[i] / baseline[i]. The same times give the same interval.
PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline);

}  // namespace fakequant
