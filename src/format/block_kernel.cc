#include "format/block_kernel.h"

#include "format/format_properties.h"
#include "format/reference.h"
#include "format/scale.h"

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

constexpr std::size_t kTogether = kLargestTogether;  // values in blocks whose scales are found together
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

  // Counts as the other does where the mask is true.
  void count_where(FloatMask mask, const ToBlockGrid& other) {
    saturated_ = hn::IfThenElse(hn::RebindMask(U(), mask), other.saturated_, saturated_);
  }

  // Forgets what saturated since the other counted.
  void count_as(const ToBlockGrid& other) { saturated_ = other.saturated_; }

 private:
  Grid grid_, scaled_ = grid_;
  Words saturated_;
  bool has_negative_zero_;
};

// The number of values in a block: a constant for the sizes of the specifications, else 0, and then known at run time.
template <std::size_t constant>
class BlockSize {
 public:
  explicit BlockSize(std::size_t size) : size_(size) {}
  std::size_t operator()() const { return constant != 0 ? constant : size_; }

 private:
  std::size_t size_;
};

// Well inside float32's normal range.
constexpr float kSmallestPlain = 0x1p-100f, kLargestPlain = 0x1p100f;

inline FloatMask is_plain(Floats x) {
  return hn::And(hn::Ge(x, hn::Set(F(), kSmallestPlain)), hn::Le(x, hn::Set(F(), kLargestPlain)));
}

// `has_parts`: the scales of parts of a block may be halved.
template <Rounding rounding, std::size_t constant_size, bool has_parts = false>
class MxBlocks {
 public:
  static constexpr std::size_t kLargestBlock = constant_size != 0 ? constant_size : kTogether;
  static constexpr std::uintptr_t kAhead = kPageAhead;
  static constexpr bool kHasParts = has_parts;
  std::size_t block_size() const { return size_(); }

  MxBlocks(const Format& format, std::size_t block) : format_(format), size_(block), to_grid_(format.element) {
    const auto& element = format.element;
    const I i32;
    // As the mantissa of a float32, cut off: above it are the floats whose significand is.
    const double mantissa = (largest_significand_kept(format.scale.rule, element) - 1) * (1 << 23);
    largest_mantissa_kept_ = hn::Set(i32, static_cast<std::int32_t>(mantissa));
    largest_exponent_ = hn::Set(i32, exponent_of(element.largest));
  }

  // The scales of blocks with these absmax; 0 for the blocks that by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const I i32;
    const auto field = hn::Sub(raised_exponent(absmax), largest_exponent_);
    // Exponents from -100 to 100 leave room for the exponents of every element.
    const auto plain = hn::And(hn::And(hn::Gt(field, hn::Set(i32, 26)), hn::Lt(field, hn::Set(i32, 228))),
                               hn::Lt(absmax, hn::Set(i32, kInfinityBits)));
    return hn::BitCast(F(), hn::IfThenElseZero(plain, hn::ShiftLeft<23>(field)));
  }

  void set_scale(float scale) { to_grid_.set_scale(hn::Set(F(), scale)); }
  void set_scales(const float* scales) { to_grid_.set_scale(hn::LoadU(F(), scales)); }
  Floats operator()(Floats x, Words random) { return to_grid_(x, random); }
  std::int64_t saturated() const { return to_grid_.saturated(); }

  // The scales of the values of a block with this scale, as mx_exponents() has them.
  void scales_of_parts(std::span<const float> block, float scale, float* scales) const {
    const auto mantissa_kept = hn::GetLane(largest_mantissa_kept_);
    const auto exponent =
        static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(scale) >> 23) + hn::GetLane(largest_exponent_);
    const auto part = static_cast<std::size_t>(format_.subblock);
#if HWY_TARGET != HWY_SCALAR
    if (part == 2) return scales_of_pairs(block, exponent, scale, scales);
#endif
    for (std::size_t begin = 0; begin < block.size(); begin += part) {
      const auto end = std::min(begin + part, block.size());
      std::int32_t absmax = 0;
      for (auto i = begin; i < end; ++i) {
        absmax = std::max(absmax, static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(block[i]) & 0x7FFFFFFFu));
      }
      const auto own = (absmax >> 23) + ((absmax & 0x7FFFFF) > mantissa_kept ? 1 : 0);
      std::fill(scales + begin, scales + end, own < exponent ? scale / 2 : scale);
    }
  }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_mx_block(format_, block, random);
  }

 private:
  // The biased exponents of these absmax, raised as the rule says.
  HWY_INLINE Integers raised_exponent(Integers absmax) const {
    const I i32;
    const auto next = hn::Gt(hn::And(absmax, hn::Set(i32, 0x7FFFFF)), largest_mantissa_kept_);
    return hn::Add(hn::ShiftRight<23>(absmax), hn::IfThenElseZero(next, hn::Set(i32, 1)));
  }

#if HWY_TARGET != HWY_SCALAR
  // scales_of_parts() of two values, in blocks of whole vectors.
  HWY_INLINE void scales_of_pairs(std::span<const float> block, std::int32_t exponent, float scale,
                                  float* scales) const {
    const F f;
    const I i32;
    for (std::size_t i = 0; i < block.size(); i += hn::Lanes(f)) {
      const auto bits = hn::BitCast(i32, hn::Abs(hn::LoadU(f, block.data() + i)));
      const auto absmax = hn::Max(bits, hn::Shuffle2301(bits));
      const auto is_smaller = hn::RebindMask(f, hn::Lt(raised_exponent(absmax), hn::Set(i32, exponent)));
      hn::StoreU(hn::IfThenElse(is_smaller, hn::Set(f, scale / 2), hn::Set(f, scale)), f, scales + i);
    }
  }
#endif

  const Format& format_;
  BlockSize<constant_size> size_;
  ToBlockGrid<rounding> to_grid_;
  Integers largest_mantissa_kept_, largest_exponent_;
};

// What rounding to an element's values is made from.
template <typename ToElement>
const auto& element_argument(const Format& format) {
  if constexpr (std::is_same_v<ToElement, ToCodebook>) {
    return *format.element.codebook;
  } else {
    return format.element;
  }
}

// Rounds the numbers of scales to the type that stores them.
class ToScaleType {
 public:
  explicit ToScaleType(const Scale& scale)
      : type_(scale.type),
        has_float32_exponents_(scale.type == ScaleType::small_float && scale.number.exponent_bits == 8),
        grid_(scale.type == ScaleType::small_float && !has_float32_exponents_ ? scale.number : *element_of("e4m3")) {
    cut_.dropped = std::max(1, 23 - scale.number.mantissa_bits);
    cut_.mask = hn::Set(U(), (1u << cut_.dropped) - 1);
    cut_.half = hn::Set(U(), 1u << (cut_.dropped - 1));
    least_ = hn::Set(F(), least_of(scale));
  }

  // 0 for numbers beyond the type's largest, which are rare.
  Floats operator()(Floats number) const {
    const F f;
    if (type_ == ScaleType::f32) return number;
    if (has_float32_exponents_) {
      const auto bits = hn::BitCast(U(), number);
      const auto cut = hn::AndNot(cut_.mask, with_carry<Rounding::nearest>(cut_, bits, is_negative(number), bits));
      return hn::Max(hn::BitCast(f, cut), least_);
    }
    const auto rounded =
        grid_.template round<Rounding::nearest>(hn::Min(number, grid_.cap), is_negative(number), hn::Zero(U()));
    return hn::IfThenElseZero(hn::Le(number, grid_.cap), hn::Max(hn::Min(rounded, grid_.largest), least_));
  }

 private:
  ScaleType type_;
  bool has_float32_exponents_;
  Grid grid_;
  UpperBitsCut cut_;
  Floats least_;
};

template <typename ToElement, std::size_t constant_size, bool multiplies = false>
class ScaledBlocks {
 public:
  static constexpr std::size_t kLargestBlock = constant_size != 0 ? constant_size : kTogether;
  static constexpr bool kHasParts = false;
  // A search for an outer scale has read this row already.
  static constexpr std::uintptr_t kAhead = constant_size != 0 ? kRowAhead : kPageAhead;
  std::size_t block_size() const { return size_(); }

  ScaledBlocks(const Format& format, std::size_t block, float outer)
      : format_(format),
        outer_(outer),
        has_outer_(format.outer_scale != ScaleType::none),
        size_(block),
        to_scale_type_(format.scale),
        to_element_(element_argument<ToElement>(format)) {
    largest_ = hn::Set(F(), static_cast<float>(format.element.largest));
    one_ = hn::Set(F(), 1.0f);
    margin_ = hn::Set(F(), std::ldexp(1.0f, format.margin));
    scale_ = factor_ = hn::Zero(F());
  }

  // As block_scale computes them, or with products what set_scale() needs for it; 0 for the blocks that
  // by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const F f;
    if (!(outer_ >= kSmallestPlain && outer_ <= kLargestPlain)) return hn::Zero(f);
    const auto outer = hn::Set(f, outer_);
    const auto value = hn::Mul(hn::BitCast(f, absmax), margin_);
    if constexpr (multiplies) {
      if (!has_outer_) {
        const auto factor = format_.arithmetic == ScaleArithmetic::factor ? hn::Div(largest_, value)
                                                                          : hn::Mul(hn::Div(one_, value), largest_);
        return hn::IfThenElseZero(hn::And(is_plain(value), is_plain(factor)), factor);
      }
    }
    const auto stored = to_scale_type_(hn::Div(hn::Div(value, largest_), outer));
    const auto scale = hn::Mul(stored, outer);
    // If the outer scale is that of other values, a block may be far beyond the largest block scale.
    return hn::IfThenElseZero(hn::And(is_plain(value), is_plain(scale)), multiplies ? stored : scale);
  }

  void set_scale(float scale) {
    scale_ = hn::Set(F(), scale);
    if constexpr (multiplies) {
      const auto outer = hn::Set(F(), outer_);
      factor_ = has_outer_ ? hn::Div(hn::Div(one_, outer), scale_) : scale_;
      scale_ = has_outer_ ? hn::Mul(scale_, outer) : hn::Div(one_, factor_);
    }
    if constexpr (kIsCodebook) factor_ = hn::Div(one_, scale_);
  }

  Floats operator()(Floats x, Words random) {
    const auto element = kMultiplies ? hn::Mul(x, factor_) : hn::Div(x, scale_);
    return hn::Mul(to_element_(element, random), scale_);
  }

  std::int64_t saturated() const { return to_element_.saturated(); }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_scaled_block(format_, outer_, block, random);
  }

 private:
  static constexpr bool kIsCodebook = std::is_same_v<ToElement, ToCodebook>;
  static constexpr bool kMultiplies = kIsCodebook || multiplies;

  const Format& format_;
  float outer_;
  bool has_outer_;
  BlockSize<constant_size> size_;
  ToScaleType to_scale_type_;
  ToElement to_element_;
  Floats largest_, one_, margin_, scale_, factor_;
};

template <Rounding rounding>
class IntegerBlocks {
 public:
  static constexpr std::size_t kLargestBlock = kTogether;
  static constexpr bool kHasParts = false;
  static constexpr std::uintptr_t kAhead = kPageAhead;
  std::size_t block_size() const { return block_size_; }

  IntegerBlocks(const Format& format, std::size_t block)
      : format_(format), block_size_(block), to_scale_type_(format.scale) {
    const auto codes = integer_scale(format, {});
    divisor_ = hn::Set(F(), largest_of_range(format));
    low_ = hn::Set(F(), codes.low);
    high_ = hn::Set(F(), codes.high);
    scale_ = hn::Zero(F());
    saturated_ = hn::Zero(U());
  }

  // As integer_scale computes them; 0 for the blocks that by_reference() must round.
  Floats scales_of(Integers absmax) const {
    const auto value = hn::BitCast(F(), absmax);
    const auto scale = to_scale_type_(hn::Div(value, divisor_));
    return hn::IfThenElseZero(hn::And(is_plain(value), is_plain(scale)), scale);
  }

  void set_scale(float scale) { scale_ = hn::Set(F(), scale); }

  Floats operator()(Floats x, Words random) {
    const auto code = round_signed_steps<rounding>(hn::Div(x, scale_), random);
    saturated_ = counted(saturated_, hn::Or(hn::Lt(code, low_), hn::Gt(code, high_)));
    const auto clamped = hn::Min(hn::Max(code, low_), high_);
    return without_negative_zero(hn::Mul(clamped, scale_));
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

  HWY_INLINE std::int64_t by_reference(std::span<float> block, const std::uint32_t* random) const {
    return round_integer_block(format_, block, random);
  }

 private:
  const Format& format_;
  std::size_t block_size_;
  ToScaleType to_scale_type_;
  Floats divisor_, low_, high_, scale_;
  Words saturated_;
};

// Rounds whole blocks of at most kTogether values. Returns how many values saturated. `blocks` is passed by value, so
// that its members can stay in registers.
template <bool has_random, typename Blocks>
HWY_INLINE std::int64_t round_blocks(float* values, std::size_t count, const std::uint32_t* random, Blocks blocks) {
  const F f;
  const I i32;
  const std::size_t size = blocks.block_size();
  constexpr std::size_t kSmallestBlock = 16;
  HWY_ALIGN std::array<std::int32_t, kTogether / kSmallestBlock> absmax{};
  HWY_ALIGN std::array<float, kTogether / kSmallestBlock> scales;
  [[maybe_unused]] HWY_ALIGN std::array<float, Blocks::kHasParts ? kTogether : 1> of_values;
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
    if constexpr (Blocks::kHasParts) blocks.scales_of_parts({block, size}, scales[b], of_values.data());
    for (std::size_t i = 0; i < size; i += hn::Lanes(f)) {
      if constexpr (Blocks::kHasParts) blocks.set_scales(of_values.data() + i);
      if (i % 16 == 0) prefetch_ahead(block + i, Blocks::kAhead);  // once a cache line
      const auto words = has_random ? hn::LoadU(U(), block_random + i) : hn::Zero(U());
      hn::StoreU(blocks(hn::LoadU(f, block + i), words), f, block + i);
    }
  }
  return saturated + blocks.saturated();
}

// Rounds a row. A short last block is padded with zeros.
template <bool has_random, typename Blocks>
std::int64_t round_row(float* row, std::size_t count, const std::uint32_t* random, const Blocks& blocks) {
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
  return saturated;
}

// Rounds blocks of E2M1 under the scale that loses less: for 6, or for 4. A multiple of 16 values, at most kTogether.
template <Rounding rounding>
class FourOverSixBlock {
 public:
  FourOverSixBlock(const Format& format, float outer)
      : format_(format), outer_(outer), to_scale_type_(format.scale), to_element_(format.element) {}

  std::int64_t round(float* block, std::size_t size, const std::uint32_t* random) {
    const auto absmax = hn::BitCast(F(), hn::Set(I(), absmax_bits(block, size)));
    const auto six = scale_for(6.0f, absmax), four = scale_for(4.0f, absmax);
    const auto plain = hn::And(is_plain(absmax), hn::And(is_plain(six), is_plain(four)));
    if (HWY_UNLIKELY(!(hn::AllTrue(F(), plain) && outer_ >= kSmallestPlain && outer_ <= kLargestPlain))) {
      return round_scaled_block(format_, outer_, {block, size}, random);
    }
    HWY_ALIGN std::array<float, kTogether> of_six, of_four;
    const auto before = to_element_;
    const float error_of_six = try_scale(six, block, size, random, of_six.data());
    const auto after_six = to_element_;
    to_element_.count_as(before);
    const float error_of_four = try_scale(four, block, size, random, of_four.data());
    const bool takes_four = error_of_four < error_of_six;
    if (!takes_four) to_element_.count_as(after_six);
    std::copy_n(takes_four ? of_four.data() : of_six.data(), size, block);
    return 0;
  }

  std::int64_t saturated() const { return to_element_.saturated(); }

 private:
  static constexpr std::size_t kSums = 16;

  Floats scale_for(float largest, Floats absmax) const {
    const auto outer = hn::Set(F(), outer_);
    return hn::Mul(to_scale_type_(hn::Div(hn::Div(absmax, hn::Set(F(), largest)), outer)), outer);
  }

  // The sum of the squared errors, in the order of round_scaled_block.
  float try_scale(Floats scale, const float* block, std::size_t size, const std::uint32_t* random, float* rounded) {
    const F f;
    const std::size_t lanes = hn::Lanes(f);
    HWY_ALIGN std::array<float, kSums> sums{};
    for (std::size_t part = 0; part < kSums; part += lanes) {
      auto sum = hn::Zero(f);
      for (std::size_t i = part; i < size; i += kSums) {
        const auto x = hn::LoadU(f, block + i);
        const auto words = is_random(rounding) ? hn::LoadU(U(), random + i) : hn::Zero(U());
        const auto y = hn::Mul(to_element_(hn::Div(x, scale), words), scale);
        hn::StoreU(y, f, rounded + i);
        const auto error = hn::Sub(y, x);
        sum = hn::Add(sum, hn::Mul(error, error));
      }
      hn::Store(sum, f, sums.data() + part);
    }
    for (auto half = kSums / 2; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    return sums[0];
  }

  const Format& format_;
  float outer_;
  ToScaleType to_scale_type_;
  ToBlockGrid<rounding> to_element_;
};

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE

// The same for blocks of 16 values, which stay in registers, without branches.
template <Rounding rounding>
class FourOverSix16 {
 public:
  static constexpr std::size_t kBlock = 16;

  FourOverSix16(const Format& format, float outer)
      : format_(format), outer_(outer), to_scale_type_(format.scale), to_element_(format.element) {
    is_plain_outer_ = outer >= kSmallestPlain && outer <= kLargestPlain;
  }

  // At most kTogether / 16 blocks.
  std::int64_t round(float* values, std::size_t count, const std::uint32_t* random) {
    const F f;
    const I i32;
    HWY_ALIGN std::array<std::int32_t, kTogether / kBlock> absmax{};
    HWY_ALIGN std::array<float, kTogether / kBlock> sixes, fours;
    for (std::size_t b = 0; b < count; ++b) absmax[b] = absmax_bits(values + b * kBlock, kBlock);
    for (std::size_t b = 0; b < count; b += hn::Lanes(f)) {
      const auto value = hn::BitCast(f, hn::Load(i32, absmax.data() + b));
      const auto six = scale_for(6.0f, value), four = scale_for(4.0f, value);
      const auto plain = hn::And(is_plain(value), hn::And(is_plain(six), is_plain(four)));
      hn::Store(hn::IfThenElseZero(plain, six), f, sixes.data() + b);
      hn::Store(four, f, fours.data() + b);
    }
    std::int64_t saturated = 0;
    auto to_element = to_element_;  // in registers
    for (std::size_t b = 0; b < count; ++b) {
      float* const block = values + b * kBlock;
      const std::uint32_t* const words = is_random(rounding) ? random + b * kBlock : nullptr;
      if (HWY_UNLIKELY(!(is_plain_outer_ && sixes[b] > 0))) {
        saturated += round_scaled_block(format_, outer_, {block, kBlock}, words);
      } else {
        round_block(to_element, block, hn::Set(f, sixes[b]), hn::Set(f, fours[b]), words,
                    std::make_index_sequence<kVectors>());
      }
    }
    to_element_ = to_element;
    return saturated;
  }

  std::int64_t saturated() const { return to_element_.saturated(); }

 private:
  static constexpr std::size_t kLanes = hn::MaxLanes(F()), kVectors = kBlock / kLanes;
  static_assert(kVectors == 1 || kVectors == 2 || kVectors == 4);

  Floats scale_for(float largest, Floats absmax) const {
    const auto outer = hn::Set(F(), outer_);
    return hn::Mul(to_scale_type_(hn::Div(hn::Div(absmax, hn::Set(F(), largest)), outer)), outer);
  }

  // Indexes are constants, so that arrays of vectors stay in registers.
  template <std::size_t... k>
  static HWY_INLINE void round_block(ToBlockGrid<rounding>& to_element, float* block, Floats six, Floats four,
                                     const std::uint32_t* random, std::index_sequence<k...>) {
    const F f;
    prefetch_ahead(block, kRowAhead);
    const Floats x[kVectors] = {hn::LoadU(f, block + k * kLanes)...};
    const Words words[kVectors] = {is_random(rounding) ? hn::LoadU(U(), random + k * kLanes) : hn::Zero(U())...};
    auto to_element_of_four = to_element;
    const Floats of_six[kVectors] = {hn::Mul(to_element(hn::Div(x[k], six), words[k]), six)...};
    const Floats of_four[kVectors] = {hn::Mul(to_element_of_four(hn::Div(x[k], four), words[k]), four)...};
    Floats errors_of_six[kVectors] = {square(hn::Sub(of_six[k], x[k]))...};
    Floats errors_of_four[kVectors] = {square(hn::Sub(of_four[k], x[k]))...};
    const auto takes_four = hn::Lt(total(errors_of_four), total(errors_of_six));
    (hn::StoreU(hn::IfThenElse(takes_four, of_four[k], of_six[k]), f, block + k * kLanes), ...);
    to_element.count_where(takes_four, to_element_of_four);
  }

  static HWY_INLINE Floats square(Floats x) { return hn::Mul(x, x); }

  // The sum of 16 values in every lane, in the order of round_scaled_block: halves are added to halves.
  static HWY_INLINE Floats total(Floats (&sums)[kVectors]) {
    if constexpr (kVectors > 2) {
      sums[0] = hn::Add(sums[0], sums[2]);
      sums[1] = hn::Add(sums[1], sums[3]);
    }
    if constexpr (kVectors > 1) sums[0] = hn::Add(sums[0], sums[1]);
    return total_of_lanes(sums[0]);
  }

  template <typename V>
  static HWY_INLINE V total_of_lanes(V x) {
    if constexpr (kLanes > 8) x = hn::Add(x, hn::SwapAdjacentBlocks(hn::ReverseBlocks(F(), x)));
    if constexpr (kLanes > 4) x = hn::Add(x, hn::SwapAdjacentBlocks(x));
    if constexpr (kLanes > 2) x = hn::Add(x, hn::Shuffle1032(x));
    if constexpr (kLanes > 1) x = hn::Add(x, hn::Shuffle2301(x));
    return x;
  }

  const Format& format_;
  float outer_;
  bool is_plain_outer_ = false;
  ToScaleType to_scale_type_;
  ToBlockGrid<rounding> to_element_;
};

template <Rounding rounding>
std::int64_t four_over_six_of_16(const Format& format, float outer, float* row, std::size_t count,
                                 const std::uint32_t* random) {
  FourOverSix16<rounding> round(format, outer);
  constexpr std::size_t kBlock = FourOverSix16<rounding>::kBlock;
  std::int64_t saturated = 0;
  std::size_t i = 0;
  while (count - i >= kBlock) {
    const auto blocks = std::min(count - i, kTogether) / kBlock;
    saturated += round.round(row + i, blocks, is_random(rounding) ? random + i : nullptr);
    i += blocks * kBlock;
  }
  if (i < count) {  // a short last block, padded with zeros
    std::array<float, kBlock> rest{};
    std::array<std::uint32_t, kBlock> rest_random{};
    std::copy(row + i, row + count, rest.begin());
    if (is_random(rounding)) std::copy(random + i, random + count, rest_random.begin());
    saturated += round.round(rest.data(), 1, rest_random.data());
    std::copy_n(rest.begin(), count - i, row + i);
  }
  return saturated + round.saturated();
}

#endif

constexpr std::size_t kMxBlock = 32, kNvfp4Block = 16, kFloat8Block = 128;

// Whether blocks of the sizes above have kernels of their own: for the roundings that processors do. The others take
// the kernel for any size, since each kernel costs a second of compiling.
constexpr bool is_deployed(Rounding rounding) {
  return rounding == Rounding::nearest || rounding == Rounding::stochastic;
}

template <Rounding rounding>
std::int64_t four_over_six_row(const Format& format, std::size_t size, float outer, float* row, std::size_t count,
                               const std::uint32_t* random) {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (is_deployed(rounding)) {
    if (size == FourOverSix16<rounding>::kBlock) {
      return four_over_six_of_16<rounding>(format, outer, row, count, random);
    }
  }
#endif
  FourOverSixBlock<rounding> round(format, outer);
  std::int64_t saturated = 0;
  std::size_t i = 0;
  for (; i + size <= count; i += size) {
    saturated += round.round(row + i, size, is_random(rounding) ? random + i : nullptr);
  }
  if (i < count) {  // a short last block, padded with zeros
    std::array<float, kTogether> rest{};
    std::array<std::uint32_t, kTogether> rest_random{};
    std::copy(row + i, row + count, rest.begin());
    if (is_random(rounding)) std::copy(random + i, random + count, rest_random.begin());
    saturated += round.round(rest.data(), size, rest_random.data());
    std::copy_n(rest.begin(), count - i, row + i);
  }
  return saturated + round.saturated();
}

template <Rounding rounding>
std::int64_t mx_row(const Format& format, std::size_t block, float* row, std::size_t count,
                    const std::uint32_t* random) {
  if (format.subblock > 0) {
    return round_row<is_random(rounding)>(row, count, random, MxBlocks<rounding, 0, true>(format, block));
  }
  if constexpr (is_deployed(rounding)) {
    if (block == kMxBlock) {
      return round_row<is_random(rounding)>(row, count, random, MxBlocks<rounding, kMxBlock>(format, block));
    }
  }
  return round_row<is_random(rounding)>(row, count, random, MxBlocks<rounding, 0>(format, block));
}

template <Rounding rounding>
std::int64_t scaled_row(const Format& format, std::size_t block, float outer, float* row, std::size_t count,
                        const std::uint32_t* random) {
  if (is_codebook(format)) {
    return round_row<false>(row, count, nullptr, ScaledBlocks<ToCodebook, 0>(format, block, outer));
  }
  if (format.fit == Fit::four_over_six) return four_over_six_row<rounding>(format, block, outer, row, count, random);
  const auto round = [&](auto blocks) { return round_row<is_random(rounding)>(row, count, random, blocks); };
  using ToElement = ToBlockGrid<rounding>;
  if (format.arithmetic != ScaleArithmetic::division) {
    return round(ScaledBlocks<ToElement, 0, true>(format, block, outer));
  }
  if constexpr (is_deployed(rounding)) {
    if (block == kNvfp4Block) return round(ScaledBlocks<ToElement, kNvfp4Block>(format, block, outer));
    if (block == kFloat8Block) return round(ScaledBlocks<ToElement, kFloat8Block>(format, block, outer));
  }
  return round(ScaledBlocks<ToElement, 0>(format, block, outer));
}

std::int64_t mx_row_any(const Format& format, std::size_t block, float* row, std::size_t count,
                        const std::uint32_t* random) {
  return with_constant(format.rounding, [&](auto r) { return mx_row<r()>(format, block, row, count, random); });
}

std::int64_t scaled_row_any(const Format& format, std::size_t block, float outer, float* row, std::size_t count,
                            const std::uint32_t* random) {
  return with_constant(format.rounding,
                       [&](auto r) { return scaled_row<r()>(format, block, outer, row, count, random); });
}

template <Rounding rounding>
std::int64_t integer_row(const Format& format, std::size_t block, float* row, std::size_t count,
                         const std::uint32_t* random) {
  return round_row<is_random(rounding)>(row, count, random, IntegerBlocks<rounding>(format, block));
}

std::int64_t integer_row_any(const Format& format, std::size_t block, float* row, std::size_t count,
                             const std::uint32_t* random) {
  return with_constant(format.rounding, [&](auto r) { return integer_row<r()>(format, block, row, count, random); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(mx_row_any);
HWY_EXPORT(scaled_row_any);
HWY_EXPORT(integer_row_any);
}  // namespace

bool can_round_together(std::int64_t block) { return block <= static_cast<std::int64_t>(kLargestTogether); }

namespace {

constexpr std::size_t kMultiple = 16;

// Calls round(values, block, random) for the row, if its blocks are whole vectors. Else for some blocks of it at a
// time, each of them padded with zeros: these change no scale, and are dropped.
template <typename Round>
std::int64_t round_padded(std::span<float> row, std::size_t block, const std::uint32_t* random, const Round& round) {
  if (block % kMultiple == 0) return round(row, block, random);
  const auto padded = (block + kMultiple - 1) / kMultiple * kMultiple;
  const auto together = kLargestTogether / padded;
  std::array<float, kLargestTogether> values;
  std::array<std::uint32_t, kLargestTogether> words{};
  std::int64_t saturated = 0;
  for (std::size_t begin = 0; begin < row.size(); begin += together * block) {
    const auto part = row.subspan(begin, std::min(together * block, row.size() - begin));
    const auto blocks = (part.size() + block - 1) / block;
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto from = part.subspan(b * block, std::min(block, part.size() - b * block));
      const auto to = values.begin() + static_cast<std::ptrdiff_t>(b * padded);
      std::fill(std::copy(from.begin(), from.end(), to), to + static_cast<std::ptrdiff_t>(padded), 0.0f);
      if (random != nullptr) std::copy_n(random + begin + b * block, from.size(), words.data() + b * padded);
    }
    saturated += round(std::span(values).first(blocks * padded), padded, random == nullptr ? nullptr : words.data());
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto to = part.subspan(b * block, std::min(block, part.size() - b * block));
      std::copy_n(values.data() + b * padded, to.size(), to.begin());
    }
  }
  return saturated;
}

}  // namespace

std::int64_t round_to_mx(const Format& format, std::span<float> row, const std::uint32_t* random) {
  const auto block = static_cast<std::size_t>(format.block);
  return round_padded(row, block, random, [&](std::span<float> values, std::size_t size, const std::uint32_t* words) {
    return HWY_DYNAMIC_DISPATCH(mx_row_any)(format, size, values.data(), values.size(), words);
  });
}

std::int64_t round_to_scaled_blocks(const Format& format, float outer, std::span<float> row,
                                    const std::uint32_t* random) {
  const auto block = static_cast<std::size_t>(format.block);
  return round_padded(row, block, random, [&](std::span<float> values, std::size_t size, const std::uint32_t* words) {
    return HWY_DYNAMIC_DISPATCH(scaled_row_any)(format, size, outer, values.data(), values.size(), words);
  });
}

std::int64_t round_to_integer_blocks(const Format& format, std::span<float> row, const std::uint32_t* random) {
  const auto block = static_cast<std::size_t>(format.block);
  return round_padded(row, block, random, [&](std::span<float> values, std::size_t size, const std::uint32_t* words) {
    return HWY_DYNAMIC_DISPATCH(integer_row_any)(format, size, values.data(), values.size(), words);
  });
}

}  // namespace fakequant
#endif
