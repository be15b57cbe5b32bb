#include "weights/value_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weights/value_statistics.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<F>;
using I = hn::RebindToSigned<F>;
using Floats = hn::Vec<F>;

// The moments of values, with a partial sum for each lane.
class Moments {
 public:
#if HWY_TARGET == HWY_SCALAR
  using D = hn::Rebind<double, F>;
#else
  using D = hn::RepartitionToWide<F>;
#endif
  using Doubles = hn::Vec<D>;

  // Explicit, because an implicit constructor would be compiled without the target's instructions.
  Moments() { sum_ = m2_ = m3_ = m4_ = hn::Zero(D()); }

  // Calls use(half) with both halves of a vector, as doubles.
  template <typename Use>
  static void for_halves(Floats x, const Use& use) {
#if HWY_TARGET == HWY_SCALAR  // one lane has no halves
    use(hn::PromoteTo(D(), x));
#else
    use(hn::PromoteTo(D(), hn::LowerHalf(x)));
    use(hn::PromoteTo(D(), hn::UpperHalf(hn::Half<F>(), x)));
#endif
  }

  void add_to_sum(Floats x) {
    for_halves(x, [&](Doubles half) { sum_ = hn::Add(sum_, half); });
  }

  void add_to_powers(Floats x, Doubles mean) {
    for_halves(x, [&](Doubles half) {
      const auto d = hn::Sub(half, mean), d2 = hn::Mul(d, d);
      m2_ = hn::Add(m2_, d2);
      m3_ = hn::MulAdd(d2, d, m3_);
      m4_ = hn::MulAdd(d2, d2, m4_);
    });
  }

  double sum() const { return total(sum_); }
  void store_powers(ValueStatistics& s) const {
    s.m2 = total(m2_);
    s.m3 = total(m3_);
    s.m4 = total(m4_);
  }

 private:
  static double total(Doubles lanes) { return hn::GetLane(hn::SumOfLanes(D(), lanes)); }

  Doubles sum_, m2_, m3_, m4_;
};

// The bits that the values use, and their extremes.
class Bits {
 public:
  Bits() {
    low16_ = zeros_ = mantissa_ = hn::Zero(U());
    largest_ = hn::Zero(I());
    smallest_ = lowest_ = hn::Set(I(), kNone);
    min_ = hn::Set(F(), std::numeric_limits<float>::infinity());
    max_ = hn::Neg(min_);
  }

  void add(Floats x) {
    const U u;
    const I i;
    const F f;
    const auto bits = hn::BitCast(u, x);
    const auto magnitude = hn::And(bits, hn::Set(u, 0x7FFFFFFFu));
    const auto is_zero = hn::Eq(magnitude, hn::Zero(u));
    low16_ = hn::Sub(low16_, hn::VecFromMask(u, hn::Eq(hn::And(bits, hn::Set(u, 0xFFFFu)), hn::Zero(u))));
    zeros_ = hn::Sub(zeros_, hn::VecFromMask(u, is_zero));
    const auto mantissa = hn::And(bits, hn::Set(u, 0x007FFFFFu));
    mantissa_ = hn::Or(mantissa_, mantissa);
    const auto known =
        hn::BitCast(i, hn::IfThenElse(is_zero, hn::Set(u, static_cast<std::uint32_t>(kNone)), magnitude));
    smallest_ = hn::Min(smallest_, known);
    largest_ = hn::Max(largest_, hn::BitCast(i, magnitude));
    // The value of the lowest set bit: the magnitude minus the magnitude without that bit, or the magnitude itself if
    // only the leading bit is set.
    const auto lowest = hn::And(mantissa, hn::Sub(hn::Zero(u), mantissa));
    const auto bit_value = hn::Sub(hn::BitCast(f, magnitude), hn::BitCast(f, hn::Xor(magnitude, lowest)));
    const auto only_leading = hn::RebindMask(i, hn::Eq(mantissa, hn::Zero(u)));
    lowest_ = hn::Min(lowest_, hn::IfThenElse(only_leading, known, hn::BitCast(i, bit_value)));
    min_ = hn::Min(min_, x);
    max_ = hn::Max(max_, x);
  }

  // False if a value is NaN, infinite or subnormal.
  bool all_plain() const {
    const auto smallest = hn::GetLane(hn::MinOfLanes(I(), smallest_));
    return hn::GetLane(hn::MaxOfLanes(I(), largest_)) < 0x7F800000 && smallest >= 0x00800000;
  }

  void store(ValueStatistics& s) const {
    s.low16_zero = hn::GetLane(hn::SumOfLanes(U(), low16_));
    s.zeros = hn::GetLane(hn::SumOfLanes(U(), zeros_));
    std::array<std::uint32_t, 16> words{};
    hn::StoreU(mantissa_, U(), words.data());
    for (const auto word : words) s.mantissa_used |= word;
    s.min = hn::GetLane(hn::MinOfLanes(F(), min_));
    s.max = hn::GetLane(hn::MaxOfLanes(F(), max_));
    const auto lowest = hn::GetLane(hn::MinOfLanes(I(), lowest_));
    if (lowest == kNone) return;  // all are zero
    s.max_significant_bits = s.mantissa_used == 0 ? 1 : 24 - std::countr_zero(s.mantissa_used);
    // A power of two, which may be subnormal.
    const auto word = static_cast<std::uint32_t>(lowest);
    s.lowest_bit = word < 0x00800000u ? std::countr_zero(word) - 149 : static_cast<int>(word >> 23) - 127;
  }

 private:
  static constexpr std::int32_t kNone = 0x7FFFFFFF;

  hn::Vec<U> low16_, zeros_, mantissa_;
  hn::Vec<I> largest_, smallest_, lowest_;
  Floats min_, max_;
};

// Sets the statistics of a multiple of 16 values, few enough for the first-level cache. False if a value is NaN,
// infinite or subnormal: these are left to scalar code.
bool plain_statistics(const float* values, std::size_t count, ValueStatistics& s) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  Bits bits;
  Moments moments;
  for (std::size_t i = 0; i < count; i += lanes) {
    const auto x = hn::LoadU(f, values + i);
    bits.add(x);
    moments.add_to_sum(x);
  }
  if (!bits.all_plain()) return false;
  s.values = s.finite = static_cast<std::int64_t>(count);
  bits.store(s);
  s.mean = moments.sum() / static_cast<double>(count);
  const auto mean = hn::Set(Moments::D(), s.mean);
  for (std::size_t i = 0; i < count; i += lanes) moments.add_to_powers(hn::LoadU(f, values + i), mean);
  moments.store_powers(s);
  return true;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(plain_statistics);

constexpr std::uint32_t kMantissaMask = 0x007FFFFFu;
constexpr int kMantissaBits = 23;

// Adds the bits of one finite value other than zero.
void add_bits(std::uint32_t magnitude, ValueStatistics& statistics) {
  const std::uint32_t mantissa = magnitude & kMantissaMask;
  const int exponent = static_cast<int>(magnitude >> kMantissaBits);
  // value = whole * 2^scale
  const std::uint32_t whole = exponent == 0 ? mantissa : mantissa | (1u << kMantissaBits);
  const int scale = std::max(exponent, 1) - 127 - kMantissaBits;
  const int trailing = std::countr_zero(whole);
  statistics.mantissa_used |= mantissa;
  statistics.lowest_bit = std::min(statistics.lowest_bit, scale + trailing);
  statistics.max_significant_bits =
      std::max(statistics.max_significant_bits, static_cast<int>(std::bit_width(whole)) - trailing);
}

// Handles all values, one by one.
ValueStatistics scalar_statistics(std::span<const float> values) {
  ValueStatistics s;
  s.values = static_cast<std::int64_t>(values.size());
  double sum = 0;
  for (const float x : values) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
    s.low16_zero += (bits & 0xFFFFu) == 0;
    if (magnitude >= 0x7F800000u) {
      ++(magnitude == 0x7F800000u ? s.infs : s.nans);
      continue;
    }
    ++s.finite;
    sum += static_cast<double>(x);
    s.min = std::min(s.min, x);
    s.max = std::max(s.max, x);
    if (magnitude == 0) {
      ++s.zeros;
    } else {
      add_bits(magnitude, s);
    }
  }
  if (s.finite == 0) return s;
  s.mean = sum / static_cast<double>(s.finite);
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    const double d = static_cast<double>(x) - s.mean, d2 = d * d;
    s.m2 += d2;
    s.m3 += d2 * d;
    s.m4 += d2 * d2;
  }
  return s;
}

}  // namespace

void ValueStatistics::add(const ValueStatistics& other) {
  if (other.finite > 0) {
    const auto na = static_cast<double>(finite), nb = static_cast<double>(other.finite), n = na + nb;
    const double d = other.mean - mean, d2 = d * d;
    m4 += other.m4 + d2 * d2 * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
          6 * d2 * (na * na * other.m2 + nb * nb * m2) / (n * n) + 4 * d * (na * other.m3 - nb * m3) / n;
    m3 += other.m3 + d2 * d * na * nb * (na - nb) / (n * n) + 3 * d * (na * other.m2 - nb * m2) / n;
    m2 += other.m2 + d2 * na * nb / n;
    mean += d * nb / n;
  }
  values += other.values;
  finite += other.finite;
  zeros += other.zeros;
  nans += other.nans;
  infs += other.infs;
  low16_zero += other.low16_zero;
  mantissa_used |= other.mantissa_used;
  max_significant_bits = std::max(max_significant_bits, other.max_significant_bits);
  lowest_bit = std::min(lowest_bit, other.lowest_bit);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ValueStatistics value_statistics(std::span<const float> values) {
  constexpr std::size_t kChunk = 2048, kWhole = 16;
  ValueStatistics total;
  while (!values.empty()) {
    // The last few do not fill the widest vector.
    const auto count = values.size() >= kWhole ? std::min(values.size() / kWhole * kWhole, kChunk) : values.size();
    const auto chunk = values.first(count);
    ValueStatistics part;
    if (count % kWhole != 0 || !HWY_DYNAMIC_DISPATCH(plain_statistics)(chunk.data(), count, part)) {
      part = scalar_statistics(chunk);
    }
    total.add(part);
    values = values.subspan(count);
  }
  return total;
}

int mantissa_bits(const ValueStatistics& statistics) {
  return statistics.mantissa_used == 0 ? 0 : kMantissaBits - std::countr_zero(statistics.mantissa_used);
}

std::vector<std::string> lossless_formats(const ValueStatistics& statistics) {
  struct Candidate {
    const char* name;
    int significant_bits;  // mantissa bits and the leading one
    int lowest_bit;        // exponent of the smallest subnormal
    float largest;
    bool has_infinity;
  };
  constexpr std::array<Candidate, 5> candidates{{{"bf16", 8, -133, 0x1.FEp127f, true},
                                                 {"f16", 11, -24, 65504.0f, true},
                                                 {"tf32", 11, -136, 0x1.FFCp127f, true},
                                                 {"e4m3", 4, -9, 448.0f, false},
                                                 {"e5m2", 3, -16, 57344.0f, true}}};
  std::vector<std::string> names;
  const float absmax = statistics.finite == 0 ? 0 : std::max(-statistics.min, statistics.max);
  for (const auto& format : candidates) {
    if (statistics.max_significant_bits <= format.significant_bits && statistics.lowest_bit >= format.lowest_bit &&
        absmax <= format.largest && (statistics.infs == 0 || format.has_infinity)) {
      names.emplace_back(format.name);
    }
  }
  if (const int bits = mantissa_bits(statistics); bits < kMantissaBits)
    names.push_back(fmt::format("mantissa{}", bits));
  return names;
}

}  // namespace fakequant
#endif
