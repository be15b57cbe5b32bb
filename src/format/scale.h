// Scales: how a group's scale follows from its values, and how values are rounded under it.
//
// Scalar arithmetic on one value or one block, in float32 and in the order of the formulas: this is part of the
// definition, and the kernels give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "format/element.h"
#include "format/reference.h"
#include "format/rounding.h"
#include "format/scale_rule.h"

namespace fakequant {

// The range of the finite values, extended to include 0; [0, 0] for no values.
struct ValueRange {
  float low = 0;
  float high = 0;

  float absmax() const { return -low > high ? -low : high; }
  void widen(const ValueRange& other);
};

// value = scale x (code - zero_point). `low` and `high` are the smallest and the largest code minus the zero point.
struct IntegerScale {
  float scale = 0;
  float low = 0;
  float high = 0;

  bool operator==(const IntegerScale&) const = default;
};

// Codes -(2^(bits-1)-1) .. 2^(bits-1)-1; scale = absmax / (2^(bits-1)-1).
IntegerScale symmetric_scale(int bits, float absmax);

// Codes 0 .. 2^bits-1; scale = (high - low) / (2^bits-1), zero point = round(-low / scale), ties to even.
IntegerScale asymmetric_scale(int bits, const ValueRange& range);

// scale x clamp(round(x / scale)), clamped to float32's largest. NaN stays NaN; infinity takes the outermost code.
// Under a scale of 0 every value becomes 0, and those that were not 0 saturated.
Rounded round_to_integer(const IntegerScale& scale, Rounding rounding, float x, std::uint32_t random = 0);

// Rounds one block in place under symmetric_scale() of the absmax of its finite values. `random` has a word for each
// value, or is null. Returns how many values saturated.
std::int64_t round_integer_block(int bits, Rounding rounding, std::span<float> block, const std::uint32_t* random);

// The range of E8M0, the scale of the MX formats.
inline constexpr int kSmallestSharedExponent = -127, kLargestSharedExponent = 127;

// Source: OCP MX v1.0, 6.3. The exponent of the scale of a block with this absmax, above 0 and not NaN: that of absmax,
// raised as the rule says, minus that of the element's largest value, clamped to E8M0. Infinity gives the largest.
int mx_shared_exponent(float absmax, const Element& element, ScaleRule rule);

// Rounds one block in place. A NaN makes the whole block NaN; infinity gives the largest scale of E8M0. Elements always
// saturate. `random` has a word for each value, or is null. Returns how many values saturated.
std::int64_t round_mx_block(const Element& element, Rounding rounding, ScaleRule rule, std::span<float> block,
                            const std::uint32_t* random);

// NVFP4's two scales: outer = absmax / (6 x 448), a block's = e4m3(absmax of the block / 6 / outer). Source: NVIDIA,
// "Introducing NVFP4" (2025).
inline constexpr int kNvfp4Block = 16;
const Element& nvfp4_element();        // e2m1
const Element& nvfp4_scale_element();  // e4m3
float nvfp4_outer_scale(float absmax);

// The product of both scales of a block with this absmax.
float nvfp4_scale(float block_absmax, float outer);

// Rounds one block in place: element = e2m1(x / scale), scale = the product of both. NaN stays NaN and infinity
// saturates; the block's absmax is that of its finite values. Under an outer scale of 0 every value becomes 0, and
// those that were not 0 saturated.
std::int64_t round_nvfp4_block(float outer, Rounding rounding, std::span<float> block, const std::uint32_t* random);

}  // namespace fakequant
