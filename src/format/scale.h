// Scales: how a group's scale follows from its values, and how values are rounded under it.
//
// Scalar arithmetic on one value or one block, in float32 and in the order of the formulas: this is part of the
// definition, and the kernels give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/element.h"
#include "format/format.h"
#include "format/reference.h"
#include "format/rounding.h"

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

// Codes 0 .. 2^bits-1; scale = (high - low) / (2^bits-1), zero point = round(-low / scale), ties to even.
IntegerScale asymmetric_scale(int bits, const ValueRange& range);

// The scale of a format's integers under a range: one of the above, with the codes and the type of scale that the
// format has. The zero point is that of the scale as it is stored.
IntegerScale integer_scale(const Format& format, const ValueRange& range);

// What an absmax is divided by for the scale of symmetric integers, unless that is a power of two.
float largest_of_range(const Format& format);

// scale x clamp(round(x / scale)), clamped to float32's largest. NaN stays NaN; infinity takes the outermost code.
// Under a scale of 0 every value becomes 0, and those that were not 0 saturated.
Rounded round_to_integer(const IntegerScale& scale, Rounding rounding, float x, std::uint32_t random = 0);

// value = scale x element; element = x / scale, or x * factor where there is a factor. Codebooks have factor = 1 /
// scale (source: bitsandbytes), unless that is infinite.
struct FloatScale {
  float scale = 0;
  float factor = 0;

  bool operator==(const FloatScale&) const = default;
};

// The scale under which an absmax goes to the element's largest value, as the format stores it: absmax / largest, or a
// power of two by E8M0's rule. With arithmetic=reciprocal, factor = 1 / absmax * largest and scale = 1 / factor
// (source: NVIDIA ModelOpt's fake quantization); with arithmetic=factor, factor = largest / absmax, at most float32's
// largest (source: NVIDIA TransformerEngine). With margin=N the absmax is taken times 2^N.
FloatScale float_scale(const Format& format, float absmax);

// scale x element(x / scale), or x * factor, clamped to float32's largest. Elements always saturate. NaN stays NaN.
// Under a scale of 0 every value becomes 0, and those that were not 0 saturated.
Rounded round_to_scaled(const Element& element, const FloatScale& scale, Rounding rounding, float x,
                        std::uint32_t random = 0);

// Rounds one block in place under integer_scale() of the range of its finite values. `random` has a word for each
// value, or is null. Returns how many values saturated.
std::int64_t round_integer_block(const Format& format, std::span<float> block, const std::uint32_t* random);

// The range of E8M0, the scale of the MX formats.
inline constexpr int kSmallestSharedExponent = -127, kLargestSharedExponent = 127;

// Source: OCP MX v1.0, 6.3. The exponent of the scale of a block with this absmax, above 0 and not NaN: that of absmax,
// raised as the rule says, minus that of the element's largest value, clamped to E8M0. Infinity gives the largest.
int mx_shared_exponent(float absmax, const Element& element, ScaleRule rule);

// The exponents of the scales of a microscaled format's values in a block without NaN: that of the block, and with
// subblock= 1 less where that of the part's own absmax is less; a block of zeros may have any, and has 0. Source:
// Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way" (ISCA 2023), where the shift has one
// bit.
std::vector<int> mx_exponents(const Format& format, std::span<const float> block);

// Rounds one block of a microscaled format in place. A NaN makes the whole block NaN; infinity gives the largest scale
// of E8M0. Elements always saturate. `random` has a word for each value, or is null. Returns how many values saturated.
std::int64_t round_mx_block(const Format& format, std::span<float> block, const std::uint32_t* random);

// A scale over all blocks, under which the largest block scale is the largest that its type holds: absmax / (largest
// element x largest scale). With fit=four-over-six the largest block scale for 6 is 256, so that one for 4 exists.
// Sources: NVIDIA, "Introducing NVFP4" (2025); Cook et al., arXiv 2512.02010.
float outer_scale(const Format& format, float absmax);

// The scale of a block with this absmax, as its type stores it: absmax / largest element; with an outer scale
// (absmax / largest element / outer), times outer. Without one, `outer` is 1. With products, float_scale() without an
// outer scale, and with one factor = 1 / outer / the stored scale (source: torchao's NVFP4).
FloatScale block_scale(const Format& format, float block_absmax, float outer);

// The scale under which round_scaled_block rounds a block: block_scale() of its absmax, or with fit=four-over-six the
// one that loses less.
FloatScale scale_of_block(const Format& format, float outer, std::span<const float> block, const std::uint32_t* random);

// Rounds one block in place: element(x / scale) x scale, scale = block_scale(). NaN stays NaN and infinity saturates;
// the block's absmax is that of its finite values. Under a scale of 0 every value becomes 0. Those that were not 0
// saturated then, but under an outer scale above 0 only infinities did.
std::int64_t round_scaled_block(const Format& format, float outer, std::span<float> block, const std::uint32_t* random);

}  // namespace fakequant
