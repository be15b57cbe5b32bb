// Shared by the rounding kernels: vector types, the vector form of each rounding, and the loop over an array.
//
// Compiled once for each instruction set: it is included inside Highway's foreach_target, and has no include guard of
// the usual kind.
#if defined(FAKEQUANT_FORMAT_ROUND_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAKEQUANT_FORMAT_ROUND_INL_H_
#undef FAKEQUANT_FORMAT_ROUND_INL_H_
#else
#define FAKEQUANT_FORMAT_ROUND_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "format/codebook.h"
#include "format/rounding.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
// At most 16 lanes, so that a block of 16 or 32 values is whole vectors everywhere.
using F = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<F>;
using Floats = hn::Vec<F>;
using Words = hn::Vec<U>;
using FloatMask = hn::Mask<F>;

inline Floats power_of_two_vector(int exponent) {
  return hn::Set(F(), std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23));
}

// Adds one to the counts where the mask is true: as a number, true is -1.
inline Words counted(Words counts, FloatMask mask) {
  return hn::Sub(counts, hn::BitCast(U(), hn::VecFromMask(F(), mask)));
}

inline FloatMask is_negative(Floats x) {
  const hn::RebindToSigned<F> i;
  return hn::RebindMask(F(), hn::Lt(hn::BitCast(i, x), hn::Zero(i)));
}

inline Floats quiet(Floats nan) { return hn::BitCast(F(), hn::Or(hn::BitCast(U(), nan), hn::Set(U(), 0x00400000u))); }

// The whole number that `steps` >= 0 is rounded to: round_steps of format/reference.h for a vector, without the
// directed roundings. Steps of 2^23 and more are whole already.
template <Rounding rounding>
Floats round_steps(Floats steps, Words random) {
  static_assert(rounding != Rounding::up && rounding != Rounding::down);
  const F f;
  (void)random;
  if constexpr (rounding == Rounding::nearest) {
    return hn::Round(steps);
  } else {
    const auto below = hn::Trunc(steps);
    if constexpr (rounding == Rounding::zero) {
      return below;
    } else {
      const auto fraction = hn::Sub(steps, below);
      FloatMask farther;
      if constexpr (rounding == Rounding::away) {
        farther = hn::Ge(fraction, hn::Set(f, 0.5f));
      } else {
        static_assert(rounding == Rounding::stochastic, "a rounding without a vector form");
        const auto one = hn::Set(f, static_cast<float>(1 << kRandomBits));
        const hn::RebindToSigned<F> i;
        const auto added = hn::ConvertTo(f, hn::BitCast(i, hn::ShiftRight<32 - kRandomBits>(random)));
        farther = hn::Ge(hn::Mul(fraction, one), hn::Sub(one, added));
      }
      return hn::Add(below, hn::IfThenElseZero(farther, hn::Set(f, 1.0f)));
    }
  }
}

// Rounds steps of either sign, with every rounding.
template <Rounding rounding>
Floats round_signed_steps(Floats steps, Words random) {
  if constexpr (rounding == Rounding::up) {
    return hn::Ceil(steps);
  } else if constexpr (rounding == Rounding::down) {
    return hn::Floor(steps);
  } else if constexpr (rounding == Rounding::nearest || rounding == Rounding::zero) {
    return round_steps<rounding>(steps, random);
  } else {
    return hn::CopySign(round_steps<rounding>(hn::Abs(steps), random), steps);
  }
}

// Where a float32 is cut to the codes of an element with float32's exponents: the lowest bits of a float are dropped.
struct UpperBitsCut {
  int dropped;
  Words mask;  // of the dropped bits
  Words half;  // the highest of them alone
};

// The bits of a magnitude, plus an addend that carries into the code, above the cut, where the value is rounded away
// from zero.
template <Rounding rounding>
Words with_carry(const UpperBitsCut& cut, Words bits, FloatMask negative, Words random) {
  const U u;
  (void)negative;
  (void)random;
  if constexpr (rounding == Rounding::nearest) {
    // Just under half a step, and one more if the code is odd.
    const auto odd = hn::And(hn::ShiftRightSame(bits, cut.dropped), hn::Set(u, 1u));
    return hn::Add(bits, hn::Add(hn::Sub(cut.half, hn::Set(u, 1u)), odd));
  } else if constexpr (rounding == Rounding::away) {
    return hn::Add(bits, cut.half);
  } else if constexpr (rounding == Rounding::zero) {
    return bits;
  } else if constexpr (rounding == Rounding::up) {
    return hn::Add(bits, hn::IfThenZeroElse(hn::RebindMask(u, negative), cut.mask));
  } else if constexpr (rounding == Rounding::down) {
    return hn::Add(bits, hn::IfThenElseZero(hn::RebindMask(u, negative), cut.mask));
  } else {
    static_assert(rounding == Rounding::stochastic, "a rounding without a form for the upper bits of a float");
    return hn::Add(bits, hn::ShiftRightSame(random, 32 - cut.dropped));
  }
}

// Calls call(rounding) with the rounding as a constant, so that it can be a template's argument.
template <typename Call>
auto with_constant(Rounding rounding, const Call& call) {
  switch (rounding) {
    case Rounding::nearest:
      return call(std::integral_constant<Rounding, Rounding::nearest>());
    case Rounding::away:
      return call(std::integral_constant<Rounding, Rounding::away>());
    case Rounding::zero:
      return call(std::integral_constant<Rounding, Rounding::zero>());
    case Rounding::up:
      return call(std::integral_constant<Rounding, Rounding::up>());
    case Rounding::down:
      return call(std::integral_constant<Rounding, Rounding::down>());
    case Rounding::stochastic:
      return call(std::integral_constant<Rounding, Rounding::stochastic>());
  }
  __builtin_unreachable();
}

// How many bytes ahead memory is prefetched: on the first pass over it, and, if an earlier pass has read this row, so
// far that it is the next row's.
inline constexpr std::uintptr_t kPageAhead = 4096, kRowAhead = 16384;

// The address may be past the end of the array, where a prefetch has no effect. (Always inlined: the compiler sees no
// effect in the function and would drop calls of it.)
HWY_INLINE void prefetch_ahead(const float* values, std::uintptr_t ahead) {
  // Pointer arithmetic past the end of an array would be undefined. NOLINTNEXTLINE(performance-no-int-to-ptr)
  hwy::Prefetch(reinterpret_cast<const float*>(reinterpret_cast<std::uintptr_t>(values) + ahead));
}

// Replaces every vector of the values by round(x, random). The last one is padded with zeros, which stay zero and never
// saturate. Returns how many values saturated. `round` is passed by value, so that its members can stay in registers.
template <bool has_random, std::uintptr_t ahead = kPageAhead, typename Round>
std::int64_t round_each(float* HWY_RESTRICT values, std::size_t count, const std::uint32_t* HWY_RESTRICT random,
                        Round round) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    if (i % 16 == 0) prefetch_ahead(values + i, ahead);  // once a cache line
    hn::StoreU(round(hn::LoadU(f, values + i), has_random ? hn::LoadU(U(), random + i) : hn::Zero(U())), f, values + i);
  }
  if (i < count) {
    HWY_ALIGN std::array<float, 16> rest{};
    HWY_ALIGN std::array<std::uint32_t, 16> rest_random{};
    std::copy(values + i, values + count, rest.begin());
    if (has_random) std::copy(random + i, random + count, rest_random.begin());
    hn::Store(round(hn::Load(f, rest.data()), hn::Load(U(), rest_random.data())), f, rest.data());
    std::copy_n(rest.begin(), count - i, values + i);
  }
  return round.saturated();
}

// The grid of an element, as vectors. Its steps, and twice its largest value, must be normal numbers of float32.
class Grid {
 public:
  explicit Grid(const Element& element) {
    mantissa_ = hn::Set(U(), static_cast<std::uint32_t>(element.mantissa_bits) << 23);
    smallest_normal_ = power_of_two_vector(element.min_exponent);
    largest = hn::Set(F(), static_cast<float>(element.largest));
    cap = power_of_two_vector(exponent_of(element.largest) + 1);
  }

  // The grid with every value multiplied by a power of two.
  Grid times(Floats power_of_two) const {
    Grid scaled = *this;
    scaled.smallest_normal_ = hn::Mul(smallest_normal_, power_of_two);
    scaled.largest = hn::Mul(largest, power_of_two);
    scaled.cap = hn::Mul(cap, power_of_two);
    return scaled;
  }

  // Rounds magnitudes up to `cap`, as if the grid continued above its largest value.
  template <Rounding rounding>
  Floats round(Floats magnitude, FloatMask negative, Words random) const {
    const F f;
    const U u;
    // The power of two below the value, or the smallest normal; mantissa_bits below it is the step.
    const auto power = hn::BitCast(f, hn::And(hn::BitCast(u, magnitude), hn::Set(u, 0x7F800000u)));
    const auto step_bits = hn::Sub(hn::BitCast(u, hn::Max(power, smallest_normal_)), mantissa_);
    const auto step = hn::BitCast(f, step_bits);
    const auto per_step = hn::BitCast(f, hn::Sub(hn::Set(u, 254u << 23), step_bits));  // 1 / step
    const auto steps = hn::Mul(magnitude, per_step);
    if constexpr (rounding == Rounding::up || rounding == Rounding::down) {
      // Compares values, because the number of steps may underflow to 0 for a value far below one step.
      const auto below = hn::Mul(hn::Trunc(steps), step);
      const auto inexact = hn::Gt(magnitude, below);
      const auto farther = rounding == Rounding::up ? hn::AndNot(negative, inexact) : hn::And(negative, inexact);
      return hn::Add(below, hn::IfThenElseZero(farther, step));
    } else {
      return hn::Mul(round_steps<rounding>(steps, random), step);
    }
  }

  Floats largest, cap;

 private:
  Words mantissa_;
  Floats smallest_normal_;
};

// Rounds to the nearest value of a codebook, as round_to_codebook does.
class ToCodebook {
 public:
  explicit ToCodebook(const Codebook& codebook)
      : count_(codebook.values.size()), values_(codebook.values.data()), thresholds_(codebook.thresholds.data()) {
    low_ = hn::Set(F(), codebook.low);
    high_ = hn::Set(F(), codebook.high);
    saturated_ = hn::Zero(U());
    for (half_ = 1; 2 * half_ < count_;) half_ *= 2;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
    if (count_ <= kFew) fill_tables();
#endif
  }

  Floats operator()(Floats x, Words) {
    const auto rounded = count_ <= kFew ? of_few(x) : of_many(x);
    saturated_ = counted(saturated_, hn::Or(hn::Lt(x, low_), hn::Gt(x, high_)));
    return hn::IfThenElse(hn::Eq(x, x), rounded, quiet(x));
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

 private:
  static constexpr std::size_t kFew = 16;

  // Where 8 lanes or more can look up, by a binary search in registers: node n of a tree has the children 2n and 2n +
  // 1, thresholds at nodes 1 to 15, values at 16 to 31.
  Floats of_few(Floats x) const {
    const F f;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
    if constexpr (hn::MaxLanes(F()) >= 8) {
      const hn::RebindToSigned<F> i32;
      auto node = below(x, tree_low_, hn::Set(i32, 1), hn::Set(i32, 1));
      node = below(x, tree_low_, node, node);
      node = below(x, tree_low_, node, node);
      node = below(x, tree_high_, hn::Sub(node, hn::Set(i32, kHigh)), node);
      // Nodes from 16 on: the value is in the lower or the upper half of the list.
      if constexpr (hn::MaxLanes(F()) > 8) {
        return hn::TableLookupLanes(list_low_, hn::IndicesFromVec(f, hn::Sub(node, hn::Set(i32, 16))));
      }
      const auto place = hn::IndicesFromVec(f, hn::And(node, hn::Set(i32, 7)));
      const auto is_upper = hn::RebindMask(f, hn::Gt(node, hn::Set(i32, 23)));
      return hn::IfThenElse(is_upper, hn::TableLookupLanes(list_high_, place), hn::TableLookupLanes(list_low_, place));
    }
#endif
    auto value = hn::Set(f, values_[0]);
    for (std::size_t i = 0; i + 1 < count_; ++i) {
      value = hn::IfThenElse(hn::Gt(x, hn::Set(f, thresholds_[i])), hn::Set(f, values_[i + 1]), value);
    }
    return value;
  }

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  using Nodes = hn::Vec<hn::RebindToSigned<F>>;
  static constexpr std::int32_t kHigh = hn::MaxLanes(F()) == 8 ? 8 : 0;  // the node that tree_high_ begins with

  // The child of a node that x belongs to.
  HWY_INLINE Nodes below(Floats x, Floats thresholds, Nodes place, Nodes node) const {
    const hn::RebindToSigned<F> i32;
    const auto threshold = hn::TableLookupLanes(thresholds, hn::IndicesFromVec(F(), place));
    const auto is_above = hn::VecFromMask(i32, hn::RebindMask(i32, hn::Gt(x, threshold)));
    return hn::Sub(hn::Add(node, node), is_above);
  }

  void fill_tables() {
    const F f;
    HWY_ALIGN std::array<float, 16> tree, list;
    tree.fill(std::numeric_limits<float>::infinity());
    list.fill(values_[count_ - 1]);
    std::copy_n(values_, count_, list.begin());
    for (std::size_t level = 0, node = 1; level < 4; ++level) {
      for (std::size_t i = 0; i < std::size_t{1} << level; ++i, ++node) {
        const auto rank = ((2 * i + 1) << (3 - level)) - 1;  // of its threshold among all
        if (rank + 1 < count_) tree[node] = thresholds_[rank];
      }
    }
    constexpr std::size_t kUpper = hn::MaxLanes(F()) == 8 ? 8 : 0;
    tree_low_ = hn::Load(f, tree.data());
    tree_high_ = hn::Load(f, tree.data() + kUpper);
    list_low_ = hn::Load(f, list.data());
    list_high_ = hn::Load(f, list.data() + kUpper);
  }
#endif

  // By a binary search: the index is the number of thresholds below x.
  Floats of_many(Floats x) const {
    const F f;
    const hn::RebindToSigned<F> i32;
    const auto last = hn::Set(i32, static_cast<std::int32_t>(count_ - 2));
    auto index = hn::Zero(i32);
    for (auto step = half_; step > 0; step /= 2) {
      // Past the last threshold there is none that a value could be above.
      const auto at = hn::Add(index, hn::Set(i32, static_cast<std::int32_t>(step - 1)));
      const auto is_one = hn::RebindMask(f, hn::Not(hn::Gt(at, last)));
      const auto above = hn::And(is_one, hn::Gt(x, hn::GatherIndex(f, thresholds_, hn::Min(at, last))));
      index =
          hn::Add(index, hn::IfThenElseZero(hn::RebindMask(i32, above), hn::Set(i32, static_cast<std::int32_t>(step))));
    }
    return hn::GatherIndex(f, values_, index);
  }

  std::size_t count_, half_ = 1;
  const float* values_;
  const float* thresholds_;
  Floats low_, high_;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  Floats tree_low_ = hn::Zero(F()), tree_high_ = hn::Zero(F()), list_low_ = hn::Zero(F()), list_high_ = hn::Zero(F());
#endif
  Words saturated_;
};

// Replaces -0 by 0.
inline Floats without_negative_zero(Floats x) { return hn::Add(x, hn::Zero(F())); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#endif
