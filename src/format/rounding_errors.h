// What a rounding did to the values it touched: how many changed, by how much, and how that compares with the values.
//
// Sums are in double. A value whose error is not finite (NaN or infinity went in, or a finite value became infinity)
// counts among the elements and the changed, and is left out of the error figures and of the sums.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

struct RoundingErrors {
  std::int64_t elements = 0;
  std::int64_t changed = 0;    // values whose bits are not what they were; NaNs that stay NaN do not count
  std::int64_t saturated = 0;  // values that lay beyond the largest code: clamped to it, or made infinity
  std::int64_t flushed = 0;    // values other than 0 that became 0
  double absmax = 0;           // largest finite |x| before the rounding
  double max_abs = 0;          // largest |rounded - x|
  double max_rel = 0;          // largest |rounded - x| / |x|, x = 0 left out
  double sum_abs = 0;          // of |rounded - x|
  double sum_error2 = 0;       // of (rounded - x)^2
  double sum_signal2 = 0;      // of x^2
  double sum_cross = 0;        // of x (rounded - x)

  // Adds the figures of other values. Sums depend on the order of the calls: keep it fixed for results that do not
  // depend on the number of threads.
  void add(const RoundingErrors& other);

  double mean_abs() const;  // 0 without elements
  double rmse() const;      // root of the mean squared error

  // Signal to quantization noise ratio, 10 log10(sum x^2 / sum error^2) in dB; infinity where nothing changed.
  double sqnr_db() const;

  // Of the angle between the values before and after; 1 where both are 0, 0 where one is.
  double cosine() const;
};

// All figures but `saturated`, which only the rounding knows, in one pass over two arrays of one size.
RoundingErrors errors_between(std::span<const float> before, std::span<const float> after);

}  // namespace fakequant
