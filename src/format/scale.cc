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

const Element& nvfp4_element() {
  static const Element element = *element_of("e2m1");
  return element;
}

const Element& nvfp4_scale_element() {
  static const Element element = *element_of("e4m3");
  return element;
}

float nvfp4_outer_scale(float absmax) { return absmax / (6.0f * 448.0f); }

float nvfp4_scale(float block_absmax, float outer) {
  if (outer == 0) return 0;
  return round_reference(nvfp4_scale_element(), Rounding::nearest, true, block_absmax / 6.0f / outer).value * outer;
}

std::int64_t round_nvfp4_block(float outer, Rounding rounding, std::span<float> block, const std::uint32_t* random) {
  const float scale = nvfp4_scale(absmax_of_finite(block), outer);
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (scale == 0) {  // the block is too small for a scale, or its finite values are all 0
      if (std::isnan(block[i])) continue;
      saturated += outer == 0 ? block[i] != 0 : std::isinf(block[i]);
      block[i] = std::copysign(0.0f, block[i]);
      continue;
    }
    const auto rounded = round_reference(nvfp4_element(), rounding, true, block[i] / scale, random ? random[i] : 0);
    constexpr float kLargest = std::numeric_limits<float>::max();
    block[i] = std::isnan(block[i]) ? rounded.value : std::clamp(rounded.value * scale, -kLargest, kLargest);
    saturated += rounded.saturated;
  }
  return saturated;
}

}  // namespace fakequant
