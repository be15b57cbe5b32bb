#include "format/scale.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "format/format_properties.h"

namespace fakequant {
namespace {

float absmax_of_finite(std::span<const float> values) {
  float absmax = 0;
  for (const float x : values) {
    if (std::isfinite(x)) absmax = std::max(absmax, std::fabs(x));
  }
  return absmax;
}

float with_margin(const Format& format, float absmax) {
  if (format.margin == 0) return absmax;
  return std::min(std::ldexp(absmax, format.margin), std::numeric_limits<float>::max());
}

FloatScale by_division(const Format& format, float scale) {
  const float factor = is_codebook(format) ? 1.0f / scale : 0.0f;
  return {scale, std::isfinite(factor) ? factor : 0.0f};
}

}  // namespace

void ValueRange::widen(const ValueRange& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

IntegerScale asymmetric_scale(int bits, const ValueRange& range) {
  const auto codes = static_cast<float>((1 << bits) - 1);
  float scale = (range.high - range.low) / codes;
  if (std::isinf(scale)) scale = (range.high / 2 - range.low / 2) / (codes / 2);
  if (scale == 0) return {0, 0, codes};
  const float zero_point = std::clamp(std::nearbyint(-range.low / scale), 0.0f, codes);
  return {scale, -zero_point, codes - zero_point};
}

float largest_of_range(const Format& format) {
  const int bits = format.element.bits();
  if (format.codes == IntegerCodes::full) return static_cast<float>((1 << bits) - 1) / 2;
  return static_cast<float>((1 << (bits - 1)) - 1);
}

IntegerScale integer_scale(const Format& format, const ValueRange& range) {
  const int bits = format.element.bits();
  if (format.asymmetric) {
    auto scale = asymmetric_scale(bits, range);
    if (format.scale.type == ScaleType::f32 || scale.scale == 0) return scale;
    const float codes = scale.high - scale.low;
    scale.scale = stored_in(format.scale, scale.scale);
    const float zero_point = scale.scale == 0 ? 0 : std::clamp(std::nearbyint(-range.low / scale.scale), 0.0f, codes);
    return {scale.scale, -zero_point, codes - zero_point};
  }
  const auto high = static_cast<float>((1 << (bits - 1)) - 1);
  const float low = format.codes == IntegerCodes::narrow ? -high : -high - 1;
  const float absmax = range.absmax();
  if (format.scale.type == ScaleType::e8m0) return {float_scale(format, absmax).scale, low, high};
  return {stored_in(format.scale, absmax / largest_of_range(format)), low, high};
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
  absmax = with_margin(format, absmax);
  if (format.scale.type == ScaleType::e8m0) {
    return by_division(format,
                       static_cast<float>(power_of_two(mx_shared_exponent(absmax, format.element, format.scale.rule))));
  }
  const auto largest = static_cast<float>(format.element.largest);
  if (format.arithmetic == ScaleArithmetic::division)
    return by_division(format, stored_in(format.scale, absmax / largest));
  if (format.arithmetic == ScaleArithmetic::factor) {
    const float factor = std::min(largest / absmax, std::numeric_limits<float>::max());
    return {1.0f / factor, factor};
  }
  const float factor = 1.0f / absmax * largest;
  if (std::isinf(factor)) return {};
  return {1.0f / factor, factor};
}

Rounded round_to_scaled(const Element& element, const FloatScale& scale, Rounding rounding, float x,
                        std::uint32_t random) {
  if (scale.scale == 0 && !std::isnan(x)) return {element.has_negative_zero ? std::copysign(0.0f, x) : 0.0f, x != 0};
  const auto rounded =
      round_reference(element, rounding, true, scale.factor == 0 ? x / scale.scale : x * scale.factor, random);
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (std::isnan(x)) return {rounded.value, false};
  return {std::clamp(rounded.value * scale.scale, -kLargest, kLargest), rounded.saturated};
}

std::int64_t round_integer_block(const Format& format, std::span<float> block, const std::uint32_t* random) {
  ValueRange range;
  for (const float x : block) {
    if (std::isfinite(x)) range.widen({x, x});
  }
  const auto scale = integer_scale(format, range);
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto rounded = round_to_integer(scale, format.rounding, block[i], random ? random[i] : 0);
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

namespace {

// Infinity where there is one. No NaN.
float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float x : values) largest = std::max(largest, std::fabs(x));
  return largest;
}

}  // namespace

std::vector<int> mx_exponents(const Format& format, std::span<const float> block) {
  const auto exponent_of = [&](std::span<const float> values, int of_zeros) {
    const float absmax = largest_magnitude(values);
    return absmax == 0 ? of_zeros : mx_shared_exponent(absmax, format.element, format.scale.rule);
  };
  const int shared = exponent_of(block, 0);
  std::vector<int> exponents(block.size(), shared);
  if (format.subblock == 0) return exponents;
  const auto size = static_cast<std::size_t>(format.subblock);
  for (std::size_t begin = 0; begin < block.size(); begin += size) {
    const auto count = std::min(size, block.size() - begin);
    if (exponent_of(block.subspan(begin, count), shared - 1) >= shared) continue;
    std::fill_n(exponents.begin() + static_cast<std::ptrdiff_t>(begin), count, shared - 1);
  }
  return exponents;
}

std::int64_t round_mx_block(const Format& format, std::span<float> block, const std::uint32_t* random) {
  if (std::any_of(block.begin(), block.end(), [](float x) { return std::isnan(x); })) {
    std::fill(block.begin(), block.end(), std::numeric_limits<float>::quiet_NaN());
    return 0;
  }
  const auto exponents = mx_exponents(format, block);
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto rounded = round_reference(format.element, format.rounding, true, block[i],
                                         random == nullptr ? 0 : random[i], exponents[i]);
    block[i] = rounded.value;
    saturated += rounded.saturated;
  }
  return saturated;
}

float outer_scale(const Format& format, float absmax) {
  const auto largest_scale =
      format.fit == Fit::four_over_six ? 256.0f : static_cast<float>(format.scale.number.largest);
  return absmax / (static_cast<float>(format.element.largest) * largest_scale);
}

FloatScale block_scale(const Format& format, float block_absmax, float outer) {
  if (outer == 0) return {};
  const bool multiplies = format.arithmetic != ScaleArithmetic::division;
  if (multiplies && format.outer_scale == ScaleType::none) return float_scale(format, block_absmax);
  block_absmax = with_margin(format, block_absmax);
  const float stored = stored_in(format.scale, block_absmax / static_cast<float>(format.element.largest) / outer);
  if (stored == 0) return {};
  if (multiplies) return {stored * outer, 1.0f / outer / stored};
  return by_division(format, stored * outer);
}

namespace {

std::int64_t round_under(const Format& format, const FloatScale& scale, bool is_too_small, std::span<float> block,
                         const std::uint32_t* random) {
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const float x = block[i];
    const auto rounded = round_to_scaled(format.element, scale, format.rounding, x, random ? random[i] : 0);
    block[i] = rounded.value;
    saturated += is_too_small ? std::isinf(x) : rounded.saturated;
  }
  return saturated;
}

float sum_of_squared_errors(std::span<const float> before, std::span<const float> after) {
  std::array<float, 16> sums{};
  for (std::size_t i = 0; i < before.size(); ++i) {
    const float error = after[i] - before[i];
    if (std::isfinite(before[i])) sums[i % sums.size()] += error * error;
  }
  for (auto half = sums.size() / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

}  // namespace

FloatScale scale_of_block(const Format& format, float outer, std::span<const float> block,
                          const std::uint32_t* random) {
  const float absmax = absmax_of_finite(block);
  const auto to_six = block_scale(format, absmax, outer);
  if (format.fit != Fit::four_over_six || outer == 0) return to_six;
  const FloatScale to_four{stored_in(format.scale, absmax / 4.0f / outer) * outer};
  const auto error_under = [&](const FloatScale& scale) {
    std::vector<float> rounded(block.begin(), block.end());
    round_under(format, scale, false, rounded, random);
    return sum_of_squared_errors(block, rounded);
  };
  return error_under(to_four) < error_under(to_six) ? to_four : to_six;
}

std::int64_t round_scaled_block(const Format& format, float outer, std::span<float> block,
                                const std::uint32_t* random) {
  const auto scale = scale_of_block(format, outer, block, random);
  const bool is_too_small = scale.scale == 0 && outer != 0 && format.outer_scale != ScaleType::none;
  return round_under(format, scale, is_too_small, block, random);
}

}  // namespace fakequant
