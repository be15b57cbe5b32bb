#include "measure/linear_bins.h"

#include <algorithm>
#include <cmath>

namespace fakequant {

void LinearBins::add(std::span<const float> values) {
  float largest = -1;
  for (const float x : values) {
    const float magnitude = std::fabs(x);
    if (magnitude > largest && std::isfinite(magnitude)) largest = magnitude;
  }
  if (largest < 0) return;
  if (largest > 0) widen(std::ilogb(largest) + 1 - kMostExponent);
  const double bins_in_one = std::ldexp(1.0, -exponent_);
  for (const float x : values) {
    const float magnitude = std::fabs(x);
    if (magnitude <= largest) ++bins_[static_cast<std::size_t>(static_cast<double>(magnitude) * bins_in_one)];
  }
  used_ = std::max(used_, static_cast<std::size_t>(static_cast<double>(largest) * bins_in_one) + 1);
}

void LinearBins::widen(int exponent) {
  if (exponent <= exponent_) return;
  const int shift = std::min(exponent - exponent_, kMostExponent);
  exponent_ = exponent;
  if (used_ == 0) return;
  for (std::size_t i = 1; i < used_; ++i) {
    const auto count = bins_[i];
    bins_[i] = 0;
    bins_[i >> shift] += count;
  }
  used_ = ((used_ - 1) >> shift) + 1;
}

std::span<const std::int64_t> LinearBins::counts() const { return std::span(bins_).first(used_); }

double LinearBins::width() const { return std::ldexp(1.0, exponent_); }

}  // namespace fakequant
