#include "format/block_kernel.h"

#include "format/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/block_kernel.cc"
#include <hwy/foreach_target.h>
//
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

using I = hn::RebindToSigned<F>;
using Integers = hn::Vec<I>;

constexpr std::size_t kTogether = kIntegersTogether;  // values in blocks whose scales are found together
constexpr std::int32_t kInfinityBits = 0x7F800000;

// The bits of the largest |x| of a block. The bits of magnitudes compare as the values do, with infinity and then the
// NaNs above all finite values.
HWY_INLINE std::int32_t absmax_bits(const float* values, std::size_t count) {
  const F f;
  const I i32;
  auto largest = hn::Zero(i32);
  for (std::size_t i = 0; i < count; i += hn::Lanes(f)) {
    largest = hn::Max(largest, hn::BitCast(i32, hn::Abs(hn::LoadU(f, values + i))));
  }
  return hn::GetLane(hn::MaxOfLanes(i32, largest));
}

// Rounds finite values to an element's grid times a power of two. Without branches, because values of a block saturate
// often.
template <Rounding rounding>
class ToBlockGrid {
 public:
  explicit ToBlockGrid(const Element& element) : grid_(element), has_negative_zero_(element.has_negative_zero) {
    saturated_ = hn::Zero(U());
  }

  void set_scale(Floats power_of_two) { scaled_ = grid_.times(power_of_two); }

  // Values up to twice the largest.
  Floats operator()(Floats x, Words random) {
    const auto rounded = scaled_.template round<rounding>(hn::Abs(x), is_negative(x), random);
    saturated_ = counted(saturated_, hn::Gt(rounded, scaled_.largest));
    const auto result = hn::CopySignToAbs(hn::Min(rounded, scaled_.largest), x);
    return has_negative_zero_ ? result : without_negative_zero(result);
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

 private:
  Grid grid_, scaled_ = grid_;
  Words saturated_;
  bool has_negative_zero_;
};

template <Rounding rounding>
class MxBlocks {
 public:
  static constexpr std::size_t kLargestBlock = kMxBlock;
  static constexpr std::uintptr_t kAhead = kPageAhead;
  static constexpr std::size_t block_size() { return kMxBlock; }

  MxBlocks(const Element& element, ScaleRule rule) : element_(element), rule_(rule), to_grid_(element) {
    const I i32;
    // As the mantissa of a float32, cut off: above it are the floats whose significand is.
    const double mantissa = (largest_significand_kept(rule, element) - 1) * (1 << 23);
    largest_mantissa_kept_ = hn::Set(i32, static_cast<std::int32_t>(mantissa));
    largest_exponent_ = hn::Set(i32, exponent_of(element.largest));
  }

  // The scales of blocks with these absmax; 0 for the blocks that by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const I i32;
    const auto exponent = hn::ShiftRight<23>(absmax);
    const auto next = hn::Gt(hn::And(absmax, hn::Set(i32, 0x7FFFFF)), largest_mantissa_kept_);
    const auto rounded = hn::Add(exponent, hn::IfThenElseZero(next, hn::Set(i32, 1)));
    const auto field = hn::Sub(rounded, largest_exponent_);
    // Exponents from -100 to 100 leave room for the exponents of every element.
    const auto plain = hn::And(hn::And(hn::Gt(field, hn::Set(i32, 26)), hn::Lt(field, hn::Set(i32, 228))),
                               hn::Lt(absmax, hn::Set(i32, kInfinityBits)));
    return hn::BitCast(F(), hn::IfThenElseZero(plain, hn::ShiftLeft<23>(field)));
  }

  void set_scale(float scale) { to_grid_.set_scale(hn::Set(F(), scale)); }
  Floats operator()(Floats x, Words random) { return to_grid_(x, random); }
  std::int64_t saturated() const { return to_grid_.saturated(); }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_mx_block(element_, rounding, rule_, block, random);
  }

 private:
  const Element& element_;
  ScaleRule rule_;
  ToBlockGrid<rounding> to_grid_;
  Integers largest_mantissa_kept_, largest_exponent_;
};

template <Rounding rounding>
class Nvfp4Blocks {
 public:
  static constexpr std::size_t kLargestBlock = kNvfp4Block;
  static constexpr std::uintptr_t kAhead = kRowAhead;  // the search for the outer scale has read this row already
  static constexpr std::size_t block_size() { return kNvfp4Block; }

  explicit Nvfp4Blocks(float outer)
      : outer_(outer),
        e4m3_(nvfp4_scale_element()),
        to_e2m1_(nvfp4_element()),
        is_plain_(outer >= kSmallestPlain && outer <= kLargestPlain) {
    scale_ = hn::Zero(F());
  }

  // As nvfp4_scale computes them; 0 for the blocks that by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const F f;
    const I i32;
    if (!is_plain_) return hn::Zero(f);
    const auto outer = hn::Set(f, outer_);
    const auto quotient = hn::Div(hn::Div(hn::BitCast(f, absmax), hn::Set(f, 6.0f)), outer);
    const auto capped = hn::Min(quotient, e4m3_.cap);
    const auto rounded = e4m3_.template round<Rounding::nearest>(capped, is_negative(capped), hn::Zero(U()));
    const auto finite = hn::RebindMask(f, hn::Lt(absmax, hn::Set(i32, kInfinityBits)));
    // If the outer scale is that of other values, a block may be far beyond the largest block scale. This is rare.
    const auto plain = hn::And(finite, hn::Le(quotient, e4m3_.cap));
    return hn::IfThenElseZero(plain, hn::Mul(hn::Min(rounded, e4m3_.largest), outer));
  }

  void set_scale(float scale) { scale_ = hn::Set(F(), scale); }
  Floats operator()(Floats x, Words random) { return hn::Mul(to_e2m1_(hn::Div(x, scale_), random), scale_); }
  std::int64_t saturated() const { return to_e2m1_.saturated(); }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_nvfp4_block(outer_, rounding, block, random);
  }

 private:
  // Well inside float32's normal range.
  static constexpr float kSmallestPlain = 0x1p-100f, kLargestPlain = 0x1p100f;

  float outer_;
  Grid e4m3_;
  ToBlockGrid<rounding> to_e2m1_;
  Floats scale_;
  bool is_plain_;
};

template <Rounding rounding>
class IntegerBlocks {
 public:
  static constexpr std::size_t kLargestBlock = kTogether;
  static constexpr std::uintptr_t kAhead = kPageAhead;
  std::size_t block_size() const { return block_size_; }

  IntegerBlocks(int bits, std::size_t block_size) : bits_(bits), block_size_(block_size) {
    largest_ = hn::Set(F(), symmetric_scale(bits, 0).high);
    scale_ = hn::Zero(F());
    saturated_ = hn::Zero(U());
  }

  // As symmetric_scale computes them; 0 for the blocks that by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const F f;
    const auto value = hn::BitCast(f, absmax);
    const auto plain = hn::And(hn::Ge(value, hn::Set(f, kSmallestPlain)), hn::Le(value, hn::Set(f, kLargestPlain)));
    return hn::IfThenElseZero(plain, hn::Div(value, largest_));
  }

  void set_scale(float scale) { scale_ = hn::Set(F(), scale); }

  Floats operator()(Floats x, Words random) {
    const auto code = round_signed_steps<rounding>(hn::Div(x, scale_), random);
    saturated_ = counted(saturated_, hn::Gt(hn::Abs(code), largest_));
    const auto clamped = hn::Min(hn::Max(code, hn::Neg(largest_)), largest_);
    return without_negative_zero(hn::Mul(clamped, scale_));
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_integer_block(bits_, rounding, block, random);
  }

 private:
  // Well inside float32's normal range.
  static constexpr float kSmallestPlain = 0x1p-100f, kLargestPlain = 0x1p100f;

  int bits_;
  std::size_t block_size_;
  Floats largest_, scale_;
  Words saturated_;
};

// Rounds whole blocks of at most kTogether values. Returns how many values saturated in blocks that the reference
// rounded.
template <bool has_random, typename Blocks>
HWY_INLINE std::int64_t round_blocks(float* values, std::size_t count, const std::uint32_t* random, Blocks& blocks) {
  const F f;
  const I i32;
  const std::size_t size = blocks.block_size();
  constexpr std::size_t kSmallestBlock = 16;
  HWY_ALIGN std::array<std::int32_t, kTogether / kSmallestBlock> absmax{};
  HWY_ALIGN std::array<float, kTogether / kSmallestBlock> scales;
  for (std::size_t b = 0; b < count; ++b) absmax[b] = absmax_bits(values + b * size, size);
  for (std::size_t b = 0; b < count; b += hn::Lanes(f)) {
    hn::Store(blocks.scales_of(hn::Load(i32, absmax.data() + b)), f, scales.data() + b);
  }
  std::int64_t saturated = 0;
  for (std::size_t b = 0; b < count; ++b) {
    float* const block = values + b * size;
    const std::uint32_t* const block_random = has_random ? random + b * size : nullptr;
    if (HWY_UNLIKELY(!(scales[b] > 0))) {
      saturated += blocks.by_reference({block, size}, block_random);
      continue;
    }
    blocks.set_scale(scales[b]);
    for (std::size_t i = 0; i < size; i += hn::Lanes(f)) {
      if (i % 16 == 0) prefetch_ahead(block + i, Blocks::kAhead);  // once a cache line
      const auto words = has_random ? hn::LoadU(U(), block_random + i) : hn::Zero(U());
      hn::StoreU(blocks(hn::LoadU(f, block + i), words), f, block + i);
    }
  }
  return saturated;
}

// Rounds a row. A short last block is padded with zeros.
template <bool has_random, typename Blocks>
std::int64_t round_row(float* row, std::size_t count, const std::uint32_t* random, Blocks blocks) {
  const std::size_t size = blocks.block_size();
  std::int64_t saturated = 0;
  std::size_t i = 0;
  for (std::size_t whole = count / size; whole > 0;) {
    const std::size_t now = std::min(whole, kTogether / size);
    saturated += round_blocks<has_random>(row + i, now, has_random ? random + i : nullptr, blocks);
    i += now * size;
    whole -= now;
  }
  if (i < count) {
    std::array<float, Blocks::kLargestBlock> rest{};
    std::array<std::uint32_t, Blocks::kLargestBlock> rest_random{};
    std::copy(row + i, row + count, rest.begin());
    if (has_random) std::copy(random + i, random + count, rest_random.begin());
    saturated += round_blocks<has_random>(rest.data(), 1, rest_random.data(), blocks);
    std::copy_n(rest.begin(), count - i, row + i);
  }
  return saturated + blocks.saturated();
}

template <Rounding rounding>
std::int64_t mx_row(const Element& element, ScaleRule rule, float* row, std::size_t count,
                    const std::uint32_t* random) {
  return round_row<is_random(rounding)>(row, count, random, MxBlocks<rounding>(element, rule));
}

template <Rounding rounding>
std::int64_t nvfp4_row(float outer, float* row, std::size_t count, const std::uint32_t* random) {
  return round_row<is_random(rounding)>(row, count, random, Nvfp4Blocks<rounding>(outer));
}

std::int64_t mx_row_any(const Element& element, Rounding rounding, ScaleRule rule, float* row, std::size_t count,
                        const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) { return mx_row<r()>(element, rule, row, count, random); });
}

template <Rounding rounding>
std::int64_t integer_row(int bits, std::size_t block_size, float* row, std::size_t count, const std::uint32_t* random) {
  return round_row<is_random(rounding)>(row, count, random, IntegerBlocks<rounding>(bits, block_size));
}

std::int64_t integer_row_any(int bits, std::size_t block_size, Rounding rounding, float* row, std::size_t count,
                             const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) { return integer_row<r()>(bits, block_size, row, count, random); });
}

std::int64_t nvfp4_row_any(float outer, Rounding rounding, float* row, std::size_t count, const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) { return nvfp4_row<r()>(outer, row, count, random); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(mx_row_any);
HWY_EXPORT(nvfp4_row_any);
HWY_EXPORT(integer_row_any);
}  // namespace

std::int64_t round_to_mx(const Element& element, Rounding rounding, ScaleRule rule, std::span<float> row,
                         const std::uint32_t* random) {
  return HWY_DYNAMIC_DISPATCH(mx_row_any)(element, rounding, rule, row.data(), row.size(), random);
}

std::int64_t round_to_nvfp4(float outer, Rounding rounding, std::span<float> row, const std::uint32_t* random) {
  return HWY_DYNAMIC_DISPATCH(nvfp4_row_any)(outer, rounding, row.data(), row.size(), random);
}

bool can_round_together(std::int64_t integer_block) {
  return integer_block % 16 == 0 && integer_block <= static_cast<std::int64_t>(kIntegersTogether);
}

std::int64_t round_to_integer_blocks(int bits, std::int64_t block, Rounding rounding, std::span<float> row,
                                     const std::uint32_t* random) {
  return HWY_DYNAMIC_DISPATCH(integer_row_any)(bits, static_cast<std::size_t>(block), rounding, row.data(), row.size(),
                                               random);
}

}  // namespace fakequant
#endif
