// What a rounding did to the values it touched: how many changed, by how much, and how that compares with the values.
//
// Sums are in double. A value whose error is not finite (NaN or infinity went in, or a finite value overflowed) counts
// among the elements and the changed, and is left out of the error figures and of the sums.
#pragma once

#include <cstdint>

namespace fakequant {

struct RoundingErrors {
  std::int64_t elements = 0;
  std::int64_t changed = 0;    // values whose bits are not what they were; NaNs that stay NaN do not count
  std::int64_t saturated = 0;  // finite values beyond the format's largest: clamped to it, or made infinity
  double absmax = 0;           // largest |x| before the rounding
  double max_abs = 0;          // largest |rounded - x|
  double max_rel = 0;          // largest |rounded - x| / |x|, x = 0 left out
  double sum_abs = 0;          // of |rounded - x|
  double sum_error2 = 0;       // of (rounded - x)^2
  double sum_signal2 = 0;      // of x^2

  // Adds the figures of other values. Sums depend on the order of the calls: keep it fixed for results that do not
  // depend on the number of threads.
  void add(const RoundingErrors& other);

  double mean_abs() const;  // 0 without elements
  double rmse() const;      // root of the mean squared error

  // Signal to quantization noise ratio, 10 log10(sum x^2 / sum error^2) in dB; infinity where nothing changed.
  double sqnr_db() const;
};

}  // namespace fakequant
