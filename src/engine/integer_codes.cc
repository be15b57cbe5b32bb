#include "engine/integer_codes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace fakequant {
namespace {

constexpr double kStorageError = 0x1p-10, kMaxError = 0.2;

bool is_multiple(double quotient) {
  const auto code = std::nearbyint(quotient);
  return std::fabs(quotient - code) <= std::min(std::fabs(code) * kStorageError, kMaxError);
}

}  // namespace

std::optional<float> find_codes(std::span<const float> values, std::span<std::int32_t> codes) {
  float largest = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) return std::nullopt;
    largest = std::max(largest, std::fabs(value));
  }
  std::fill(codes.begin(), codes.end(), 0);
  if (largest == 0) return 0.0f;
  for (std::int32_t code = 1; code <= kLargestCode; ++code) {
    const auto per_value = code / double{largest};
    if (!std::all_of(values.begin(), values.end(), [&](float value) { return is_multiple(value * per_value); }))
      continue;
    // Of all steps near this one, that which fits the values best.
    double products = 0, squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto exact = std::nearbyint(values[i] * per_value);
      codes[i] = static_cast<std::int32_t>(exact);
      products += values[i] * exact;
      squares += exact * exact;
    }
    return static_cast<float>(products / squares);
  }
  return std::nullopt;
}

}  // namespace fakequant
