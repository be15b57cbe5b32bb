#include "format/scale.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace fakequant {
namespace {

float absmax_of_finite(std::span<const float> values) {
  float absmax = 0;
  for (const float x : values) {
    if (std::isfinite(x)) absmax = std::max(absmax, std::fabs(x));
  }
  return absmax;
}

}  // namespace

void ValueRange::widen(const ValueRange& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

IntegerScale symmetric_scale(int bits, float absmax) {
  const auto largest = static_cast<float>((1 << (bits - 1)) - 1);
  return {absmax / largest, -largest, largest};
}

IntegerScale asymmetric_scale(int bits, const ValueRange& range) {
  const auto codes = static_cast<float>((1 << bits) - 1);
  float scale = (range.high - range.low) / codes;
  if (std::isinf(scale)) scale = (range.high / 2 - range.low / 2) / (codes / 2);
  if (scale == 0) return {0, 0, codes};
  const float zero_point = std::clamp(std::nearbyint(-range.low / scale), 0.0f, codes);
  return {scale, -zero_point, codes - zero_point};
}

Rounded round_to_integer(const IntegerScale& scale, Rounding rounding, float x, std::uint32_t random) {
  if (std::isnan(x)) return {std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | 0x00400000u), false};
  if (scale.scale == 0) return {0, x != 0};
  const float quotient = x / scale.scale;
  const bool negative = std::signbit(x);
  // Far beyond the codes only the sign matters.
  const double magnitude = std::min(static_cast<double>(std::fabs(quotient)), power_of_two(24));
  const bool is_odd = (static_cast<std::int64_t>(magnitude) & 1) != 0;
  const double steps = round_steps(rounding, magnitude, is_odd, negative, random);
  const auto code = static_cast<float>(negative ? -steps : steps);
  const float clamped = std::clamp(code, scale.low, scale.high);
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float value = std::clamp(clamped * scale.scale, -kLargest, kLargest);
  return {value + 0.0f, clamped != code};  // + 0: integers have no -0
}

FloatScale float_scale(const Format& format, float absmax) {
  if (absmax == 0) return {};
  if (format.scale.type == ScaleType::e8m0) {
    return {static_cast<float>(power_of_two(mx_shared_exponent(absmax, format.element, format.scale.rule)))};
  }
  return {stored_in(format.scale, absmax / static_cast<float>(format.element.largest))};
}

Rounded round_to_scaled(const Element& element, const FloatScale& scale, Rounding rounding, float x,
                        std::uint32_t random) {
  if (scale.scale == 0 && !std::isnan(x)) return {element.has_negative_zero ? std::copysign(0.0f, x) : 0.0f, x != 0};
  const auto rounded = round_reference(element, rounding, true, x / scale.scale, random);
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (std::isnan(x)) return {rounded.value, false};
  return {std::clamp(rounded.value * scale.scale, -kLargest, kLargest), rounded.saturated};
}

std::int64_t round_integer_block(int bits, Rounding rounding, std::span<float> block, const std::uint32_t* random) {
  const auto scale = symmetric_scale(bits, absmax_of_finite(block));
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto rounded = round_to_integer(scale, rounding, block[i], random ? random[i] : 0);
    block[i] = rounded.value;
    saturated += rounded.saturated;
  }
  return saturated;
}

int mx_shared_exponent(float absmax, const Element& element, ScaleRule rule) {
  if (std::isinf(absmax)) return kLargestSharedExponent;
  const double x = absmax;
  int exponent = exponent_of(x);
  const double significand = x / power_of_two(exponent);
  if (significand > largest_significand_kept(rule, element)) ++exponent;
  return std::clamp(exponent - exponent_of(element.largest), kSmallestSharedExponent, kLargestSharedExponent);
}

std::int64_t round_mx_block(const Element& element, Rounding rounding, ScaleRule rule, std::span<float> block,
                            const std::uint32_t* random) {
  float absmax = 0;
  for (const float x : block) {
    if (std::isnan(x)) {
      std::fill(block.begin(), block.end(), std::numeric_limits<float>::quiet_NaN());
      return 0;
    }
    absmax = std::max(absmax, std::fabs(x));
  }
  // A block of zeros may have any scale.
  const int shared = absmax == 0 ? 0 : mx_shared_exponent(absmax, element, rule);
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto rounded = round_reference(element, rounding, true, block[i], random ? random[i] : 0, shared);
    block[i] = rounded.value;
    saturated += rounded.saturated;
  }
  return saturated;
}

float outer_scale(const Format& format, float absmax) {
  return absmax / (static_cast<float>(format.element.largest) * static_cast<float>(format.scale.number.largest));
}

float block_scale(const Format& format, float block_absmax, float outer) {
  if (outer == 0) return 0;
  return stored_in(format.scale, block_absmax / static_cast<float>(format.element.largest) / outer) * outer;
}

std::int64_t round_scaled_block(const Format& format, float outer, std::span<float> block,
                                const std::uint32_t* random) {
  const FloatScale scale{block_scale(format, absmax_of_finite(block), outer)};
  const bool is_too_small = scale.scale == 0 && format.outer_scale != ScaleType::none && outer != 0;
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const float x = block[i];
    const auto rounded = round_to_scaled(format.element, scale, format.rounding, x, random ? random[i] : 0);
    block[i] = rounded.value;
    saturated += is_too_small ? std::isinf(x) : rounded.saturated;
  }
  return saturated;
}

}  // namespace fakequant
