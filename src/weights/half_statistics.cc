#include "weights/half_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weights/half_statistics.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/cache_control.h>

#include "format/half-inl.h"

#ifndef FAKEQUANT_WEIGHTS_HALF_SUMS
#define FAKEQUANT_WEIGHTS_HALF_SUMS
namespace fakequant {

// The result of one pass over the codes of a chunk.
struct HalfSums {
  double s1 = 0;                   // of the values
  double s2 = 0, s3 = 0, s4 = 0;   // of powers of their distances from a pivot
  std::uint16_t max_positive = 0;  // the largest code without a sign bit
  std::uint16_t max_negative = 0;  // the largest code with a sign bit; any code without one if there is none
  std::uint16_t smallest = 0;      // the smallest magnitude except 0
  std::int64_t zeros = 0;
};

}  // namespace fakequant
#endif

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using half::F;
using Floats = hn::Vec<F>;
#if HWY_TARGET == HWY_SCALAR
using Codes = half::U16;
#else
using Codes = hn::Repartition<std::uint16_t, F>;  // twice as many as floats
#endif

// Sums in float, of few enough values that rounding errors stay small.
struct ShortSums {
  explicit ShortSums(Floats pivot) : pivot(pivot) { s1 = s2 = s3 = s4 = hn::Zero(F()); }

  void add(Floats x) {
    const auto d = hn::Sub(x, pivot), d2 = hn::Mul(d, d);
    s1 = hn::Add(s1, x);
    s2 = hn::MulAdd(d, d, s2);  // not an addition of d2: the loop is bound by additions
    s3 = hn::MulAdd(d2, d, s3);
    s4 = hn::MulAdd(d2, d2, s4);
  }

  Floats pivot;
  Floats s1, s2, s3, s4;
};

// Sums in double, one for each lane.
class LongSum {
 public:
#if HWY_TARGET == HWY_SCALAR
  using D = hn::Rebind<double, F>;
#else
  using D = hn::RepartitionToWide<F>;
#endif
  LongSum() { sum_ = hn::Zero(D()); }

  void add(Floats x) {
#if HWY_TARGET == HWY_SCALAR  // one lane has no halves
    sum_ = hn::Add(sum_, hn::PromoteTo(D(), x));
#else
    sum_ = hn::Add(sum_, hn::PromoteTo(D(), hn::LowerHalf(x)));
    sum_ = hn::Add(sum_, hn::PromoteTo(D(), hn::UpperHalf(hn::Half<F>(), x)));
#endif
  }

  double total() const { return hn::GetLane(hn::SumOfLanes(D(), sum_)); }

 private:
  hn::Vec<D> sum_;
};

// The extremes of codes.
class CodeRange {
 public:
  CodeRange() {
    positive_ = hn::Set(Signed(), std::numeric_limits<std::int16_t>::min());
    negative_ = hn::Zero(Codes());
    smallest_ = hn::Set(Codes(), 0xFFFFu);
  }

  void add(hn::Vec<Codes> code) {
    positive_ = hn::Max(positive_, hn::BitCast(Signed(), code));
    negative_ = hn::Max(negative_, code);
    smallest_ = hn::Min(smallest_, hn::And(code, hn::Set(Codes(), 0x7FFFu)));
  }

  void store(HalfSums& sums) const {
    std::array<std::uint16_t, 32> lanes{};
    const auto count = hn::Lanes(Codes());
    const auto begin = lanes.begin(), end = begin + static_cast<std::ptrdiff_t>(count);
    hn::StoreU(hn::BitCast(Codes(), positive_), Codes(), lanes.data());
    sums.max_positive = *std::max_element(begin, end, [](std::uint16_t a, std::uint16_t b) {
      return static_cast<std::int16_t>(a) < static_cast<std::int16_t>(b);
    });
    hn::StoreU(negative_, Codes(), lanes.data());
    sums.max_negative = *std::max_element(begin, end);
    hn::StoreU(smallest_, Codes(), lanes.data());
    sums.smallest = *std::min_element(begin, end);  // 0 included
  }

 private:
  using Signed = hn::RebindToSigned<Codes>;
  hn::Vec<Signed> positive_;
  hn::Vec<Codes> negative_, smallest_;
};

// Counts the zeros, which most chunks do not have, and finds the smallest magnitude except 0.
void count_zeros(const std::uint16_t* codes, std::size_t count, HalfSums& sums) {
  const Codes c;
  auto zeros = hn::Zero(c), least = hn::Set(c, 0xFFFFu);
  for (std::size_t i = 0; i < count; i += hn::Lanes(c)) {
    const auto magnitude = hn::And(hn::LoadU(c, codes + i), hn::Set(c, 0x7FFFu));
    zeros = hn::Sub(zeros, hn::VecFromMask(c, hn::Eq(magnitude, hn::Zero(c))));
    least = hn::Min(least, hn::Sub(magnitude, hn::Set(c, 1)));  // 0 wraps to the largest
  }
  std::array<std::uint16_t, 32> lanes{};
  hn::StoreU(zeros, c, lanes.data());
  for (const auto lane : lanes) sums.zeros += lane;
  hn::StoreU(least, c, lanes.data());
  sums.smallest = static_cast<std::uint16_t>(
      *std::min_element(lanes.begin(), lanes.begin() + static_cast<std::ptrdiff_t>(hn::Lanes(c))) + 1);
}

// How many codes ahead of the sums to prefetch from the second-level cache, where reading the file left them.
constexpr std::size_t kPrefetchAhead = 512;

// `count` is a multiple of 1024.
template <typename Type>
HalfSums sums_of(const std::uint16_t* codes, std::size_t count, float pivot) {
  const std::size_t lanes = hn::Lanes(F());
  const std::size_t run = 64 * lanes;  // values of a pair of short sums
  LongSum s1, s2, s3, s4;
  CodeRange range;
  for (std::size_t begin = 0; begin < count; begin += run) {
    ShortSums a(hn::Set(F(), pivot)), b(hn::Set(F(), pivot));
    const auto add_pair = [&](const std::uint16_t* pair) HWY_ATTR {
      range.add(hn::LoadU(Codes(), pair));
      if (hn::Lanes(Codes()) == lanes) range.add(hn::LoadU(Codes(), pair + lanes));
      a.add(Type::widen(hn::LoadU(half::U16(), pair)));
      b.add(Type::widen(hn::LoadU(half::U16(), pair + lanes)));
    };
    for (std::size_t i = begin; i < begin + run; i += 8 * lanes) {
      hwy::Prefetch(codes + i + kPrefetchAhead);
      hwy::Prefetch(codes + i + kPrefetchAhead + 4 * lanes);
      for (std::size_t pair = 0; pair < 4; ++pair) add_pair(codes + i + 2 * pair * lanes);
    }
    s1.add(hn::Add(a.s1, b.s1));
    s2.add(hn::Add(a.s2, b.s2));
    s3.add(hn::Add(a.s3, b.s3));
    s4.add(hn::Add(a.s4, b.s4));
  }
  HalfSums sums{s1.total(), s2.total(), s3.total(), s4.total(), 0, 0, 0, 0};
  range.store(sums);
  if (sums.smallest == 0) count_zeros(codes, count, sums);
  return sums;
}

HalfSums half_sums(Half type, const std::uint16_t* codes, std::size_t count, float pivot) {
  return type == Half::f16 ? sums_of<half::F16>(codes, count, pivot) : sums_of<half::Bf16>(codes, count, pivot);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(half_sums);

constexpr std::size_t kFirst = 2048;   // values that take the general path, because there are none before them
constexpr std::size_t kChunk = 16384;  // values whose sums are composed
constexpr std::size_t kWhole = 1024;   // a chunk is a multiple of this

// The differences between the two types.
struct HalfBits {
  int mantissa_bits;
  int bias;
  std::uint16_t infinity;                // its code
  std::uint16_t min_absmax, max_absmax;  // codes between which fourth powers are well inside the range of float
};

constexpr HalfBits bits_of(Half type) {
  if (type == Half::f16) return {10, 15, 0x7C00, 0x0000, 0x7C00};
  return {7, 127, 0x7F80, 0x3580, 0x4E80};  // 2^-20, 2^30
}

float widened(Half type, std::uint16_t code) {
  float value = 0;
  widen(type, &code, {&value, 1});
  return value;
}

// A number near the mean of the values so far that is not a short binary fraction. Squares of halves are exact in
// float, and their last bits are not evenly distributed (an odd number's square ends in 001): rounding their sums would
// be biased. Rounding sums of squared distances from such a pivot is not.
float pivot_of(const ValueStatistics& before) {
  if (before.finite == 0) return 0;
  const double deviation = std::sqrt(before.m2 / static_cast<double>(before.finite));
  return static_cast<float>(before.mean + 0.0356789 * deviation);
}

// True if the values before a chunk already use every bit that its values can use: all bits of the mantissa, down to
// the last bit of the chunk's smallest value.
bool adds_no_bits(const HalfBits& bits, const HalfSums& chunk, const ValueStatistics& before) {
  const auto all = ((1u << bits.mantissa_bits) - 1) << (23 - bits.mantissa_bits);
  const int exponent = std::max(chunk.smallest >> bits.mantissa_bits, 1) - bits.bias;
  return before.mantissa_used == all && before.max_significant_bits == bits.mantissa_bits + 1 &&
         before.lowest_bit <= exponent - bits.mantissa_bits;
}

// Sets the statistics of a chunk that adds no bits; false if the chunk is unusual.
bool usual_statistics(Half type, const HalfSums& sums, double pivot, std::size_t count, ValueStatistics& s) {
  constexpr std::uint16_t kSign = 0x8000;
  const auto bits = bits_of(type);
  const bool has_both_signs = sums.max_positive < kSign && sums.max_negative >= kSign;
  if (!has_both_signs) return false;
  const auto negative = static_cast<std::uint16_t>(sums.max_negative - kSign);
  const auto absmax = std::max(sums.max_positive, negative);
  if (absmax >= bits.infinity || absmax < bits.min_absmax || absmax > bits.max_absmax) return false;
  const auto n = static_cast<double>(count);
  const double mean = sums.s1 / n, d = mean - pivot, d2 = d * d;
  // Far from the pivot, the sums of powers cancel or overflow.
  if (!(d2 * 16 <= sums.s2 / n) || !std::isfinite(sums.s4)) return false;
  // In a short sum with one large value, the others are lost.
  const double reach = static_cast<double>(widened(type, absmax)) + std::fabs(pivot);
  if (reach * reach * 64 > sums.s2) return false;
  s.values = s.finite = static_cast<std::int64_t>(count);
  s.zeros = sums.zeros;
  s.min = widened(type, sums.max_negative);
  s.max = widened(type, sums.max_positive);
  s.mean = mean;
  s.m2 = sums.s2 - n * d2;
  s.m3 = sums.s3 - 3 * d * sums.s2 + 2 * n * d2 * d;
  s.m4 = sums.s4 - 4 * d * sums.s3 + 6 * d2 * sums.s2 - 3 * n * d2 * d2;
  return true;
}

}  // namespace

void add_half_statistics(Half type, std::span<const std::uint16_t> stored, ValueStatistics& total) {
  std::array<float, kChunk> values;
  while (!stored.empty()) {
    const auto count = std::min(stored.size(), total.finite == 0 ? kFirst : kChunk);
    const auto chunk = stored.first(count);
    ValueStatistics part;
    bool is_usual = count % kWhole == 0;
    if (is_usual) {
      const float pivot = pivot_of(total);
      const auto sums = HWY_DYNAMIC_DISPATCH(half_sums)(type, chunk.data(), count, pivot);
      is_usual = adds_no_bits(bits_of(type), sums, total) &&
                 usual_statistics(type, sums, static_cast<double>(pivot), count, part);
    }
    if (!is_usual) {
      widen(type, chunk.data(), {values.data(), count});
      part = value_statistics({values.data(), count});
      part.low16_zero = 0;
    }
    total.add(part);
    stored = stored.subspan(count);
  }
}

}  // namespace fakequant
#endif
