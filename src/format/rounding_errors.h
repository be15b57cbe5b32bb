// Statistics of a rounding: how many values changed, by how much, and how the error compares with the values.
//
// Sums are in double. A value whose error is not finite (it was NaN or infinity, or became so) counts as an element and
// as changed, but not in the sums. Where a finite value became NaN or infinity, the figures that follow are those of an
// infinite error: max_abs, max_rel, mean_abs() and rmse() are infinite, sqnr_db() is -infinity and cosine() 0.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

struct RoundingErrors {
  std::int64_t elements = 0;
  std::int64_t changed = 0;     // values whose bits changed, not counting NaNs that stay NaN
  std::int64_t saturated = 0;   // values beyond the largest code: clamped to it, or made infinity
  std::int64_t flushed = 0;     // values other than 0 that became 0
  std::int64_t not_finite = 0;  // finite values that became NaN or infinite
  double absmax = 0;            // largest finite |x| before the rounding
  double max_abs = 0;           // largest |rounded - x|
  double max_rel = 0;           // largest |rounded - x| / |x|, x = 0 left out
  double sum_abs = 0;           // of |rounded - x|; like the other sums, of finite errors
  double sum_error2 = 0;        // of (rounded - x)^2
  double sum_signal2 = 0;       // of x^2
  double sum_cross = 0;         // of x (rounded - x)

  // Adds the statistics of other values. Sums depend on the order of the calls, so keep it fixed for results that do
  // not depend on the number of threads.
  void add(const RoundingErrors& other);

  double mean_abs() const;  // 0 without elements
  double rmse() const;      // root of the mean squared error

  // Signal to quantization noise ratio, 10 log10(sum x^2 / sum error^2) in dB; infinity where nothing changed.
  double sqnr_db() const;

  // Of the angle between the values before and after; 1 if both are 0, 0 if one is.
  double cosine() const;
};

// All statistics but `saturated`, which only the rounding can count, in one pass over two arrays of equal size.
RoundingErrors errors_between(std::span<const float> before, std::span<const float> after);

}  // namespace fakequant
