#include "format/rounding_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {

void RoundingErrors::add(const RoundingErrors& other) {
  elements += other.elements;
  changed += other.changed;
  saturated += other.saturated;
  absmax = std::max(absmax, other.absmax);
  max_abs = std::max(max_abs, other.max_abs);
  max_rel = std::max(max_rel, other.max_rel);
  sum_abs += other.sum_abs;
  sum_error2 += other.sum_error2;
  sum_signal2 += other.sum_signal2;
}

double RoundingErrors::mean_abs() const { return elements == 0 ? 0 : sum_abs / static_cast<double>(elements); }

double RoundingErrors::rmse() const {
  return elements == 0 ? 0 : std::sqrt(sum_error2 / static_cast<double>(elements));
}

double RoundingErrors::sqnr_db() const {
  if (sum_error2 == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(sum_signal2 / sum_error2);
}

}  // namespace fakequant
