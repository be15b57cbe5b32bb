// Two series of times, measured in pairs: the ratio of their speeds, with its uncertainty.
//
// The machine's speed drifts; a pair is measured close together, so its ratio drifts less. On a busy machine some pairs
// are far off, to either side; so what is quoted is the middle of the ratios, their trimmed mean: of their logarithms,
// without the lowest and the highest fifth. Its 95 % interval is the symmetric bootstrap-t interval (Wilcox,
// Introduction to Robust Estimation and Hypothesis Testing, section 4.4.3: resampled sets are centred, and scaled by
// their own winsorized standard error), and never wider than the ratios themselves.
//
// Why not simpler? Sets of ratios were simulated: normal, Laplace, Student's t (2), two kinds of skewed ones, and runs
// of which every seventh is held up, in both or in the variant alone. With 7, 8, 9, 10, 12, 15, 20 and 30 pairs, 3000
// sets each (499 resamples):
//   this interval    held the trimmed mean in 94.5 to 98 % of the sets, and the median in 95 to 98 %
//   the sign test    held the median in 95 to 99 %; with 8 pairs it was 1.4 to 5 times as wide, with 9 to 20 from a
//                    twentieth narrower to 1.6 times as wide, with 30 a twentieth to a seventh wider
// With 6, 8, 10, 15, 20 and 30 pairs, 1000 sets each (299 resamples), of what each estimates:
//   percentile and BCa bootstraps of the median and of the Hodges-Lehmann estimate: 85 to 95 %, too narrow
//   Student's t:           59 to 99 %, as it holds a mean, which one slow run moves
//   the signed-rank test:  94 to 98 %, but up to twice as wide as the sign test's where runs are held up
// paired_ratio_test.cc repeats a part of that.
#pragma once

#include <span>

namespace fakequant {

// Of at least one value.
double median(std::span<const double> values);

// Six pairs are too few to resample: their interval is from the smallest to the largest, which misses the median of
// what they were drawn from in 2 of 64 cases. Fewer cannot tell as much.
inline constexpr int kFewestPairs = 6;

struct PairedRatio {
  double ratio = 1;
  double low = 1, high = 1;  // 95 % confidence
};

// Of variant[i] / baseline[i], for at least kFewestPairs pairs of times above 0. The same times give the same result.
PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline);

}  // namespace fakequant
