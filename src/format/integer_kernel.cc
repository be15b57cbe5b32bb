#include "format/integer_kernel.h"

#include <cmath>

#include "format/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/integer_kernel.cc"
#include <hwy/foreach_target.h>
//
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

template <Rounding rounding>
class ToInteger {
 public:
  explicit ToInteger(const IntegerScale& scale) {
    const F f;
    scale_ = hn::Set(f, scale.scale);
    low_ = hn::Set(f, scale.low);
    high_ = hn::Set(f, scale.high);
    saturated_ = hn::Zero(U());
  }

  Floats operator()(Floats x, Words random) {
    const F f;
    auto code = round_signed_steps<rounding>(hn::Div(x, scale_), random);
    const auto in_range = hn::And(hn::Ge(code, low_), hn::Le(code, high_));
    if (HWY_UNLIKELY(!hn::AllTrue(f, in_range))) {
      const auto is_number = hn::Eq(x, x);
      saturated_ = counted(saturated_, hn::AndNot(in_range, is_number));
      code = hn::IfThenElse(is_number, hn::Min(hn::Max(code, low_), high_), quiet(x));
    }
    return without_negative_zero(hn::Mul(code, scale_));
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

 private:
  Floats scale_, low_, high_;
  Words saturated_;
};

template <Rounding rounding>
std::int64_t round_values(const IntegerScale& scale, float* values, std::size_t count, const std::uint32_t* random) {
  return round_each<is_random(rounding), kRowAhead>(values, count, random, ToInteger<rounding>(scale));
}

std::int64_t round_any(const IntegerScale& scale, Rounding rounding, float* values, std::size_t count,
                       const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) { return round_values<r()>(scale, values, count, random); });
}

#if HWY_TARGET == HWY_SCALAR
using Doubles = hn::Vec<hn::Rebind<double, F>>;
#else
using Doubles = hn::Vec<hn::RepartitionToWide<F>>;
#endif

template <Rounding rounding>
double squared_error(const IntegerScale& scale, const float* values, std::size_t count) {
  const F f;
  ToInteger<rounding> round(scale);
  const std::size_t lanes = hn::Lanes(f);
#if HWY_TARGET == HWY_SCALAR
  const hn::Rebind<double, F> d;
#else
  const hn::RepartitionToWide<F> d;
  const hn::Half<F> half;
#endif
  Doubles sum_low = hn::Zero(d), sum_high = hn::Zero(d);
  const auto largest = hn::Set(f, std::numeric_limits<float>::max());
  for (std::size_t i = 0; i < count; i += lanes) {
    Floats x;
    if (i + lanes <= count) {
      x = hn::LoadU(f, values + i);
    } else {
      HWY_ALIGN std::array<float, 16> rest{};
      std::copy(values + i, values + count, rest.begin());
      x = hn::Load(f, rest.data());
    }
    const auto difference = hn::Sub(round(x, hn::Zero(U())), x);
    const auto error = hn::IfThenElseZero(hn::Le(hn::Abs(difference), largest), difference);
#if HWY_TARGET == HWY_SCALAR
    const auto low = hn::PromoteTo(d, error);
    sum_low = hn::MulAdd(low, low, sum_low);
    (void)sum_high;
#else
    const auto low = hn::PromoteTo(d, hn::LowerHalf(half, error));
    const auto high = hn::PromoteTo(d, hn::UpperHalf(half, error));
    sum_low = hn::MulAdd(low, low, sum_low);
    sum_high = hn::MulAdd(high, high, sum_high);
#endif
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum_low, sum_high)));
}

double squared_error_any(const IntegerScale& scale, Rounding rounding, const float* values, std::size_t count) {
  return with_constant(rounding, [&](auto r) { return squared_error<r()>(scale, values, count); });
}

// The range of the finite values from i on.
ValueRange range_of_finite(const float* values, std::size_t i, std::size_t count) {
  ValueRange range;
  for (; i < count; ++i) {
    if (std::isfinite(values[i])) range.widen({values[i], values[i]});
  }
  return range;
}

ValueRange range_of_values(const float* values, std::size_t count) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  const auto zero = hn::Zero(f);
  Floats low[4], high[4], zeros[4];
  for (int k = 0; k < 4; ++k) low[k] = high[k] = zeros[k] = zero;
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    HWY_UNROLL(4)
    for (int k = 0; k < 4; ++k) {
      const auto* at = values + i + static_cast<std::size_t>(k) * lanes;
      if (static_cast<std::size_t>(k) * lanes % 16 == 0) prefetch_ahead(at, kPageAhead);  // once a cache line
      const auto x = hn::LoadU(f, at);
      low[k] = hn::Min(low[k], x);
      high[k] = hn::Max(high[k], x);
      zeros[k] = hn::MulAdd(x, zero, zeros[k]);  // NaN after the first value that is not finite
    }
  }
  const auto any = hn::Add(hn::Add(zeros[0], zeros[1]), hn::Add(zeros[2], zeros[3]));
  if (!hn::AllTrue(f, hn::Eq(any, zero))) return range_of_finite(values, 0, count);
  const auto lowest = hn::Min(hn::Min(low[0], low[1]), hn::Min(low[2], low[3]));
  const auto highest = hn::Max(hn::Max(high[0], high[1]), hn::Max(high[2], high[3]));
  auto range = range_of_finite(values, i, count);
  range.widen({hn::GetLane(hn::MinOfLanes(f, lowest)), hn::GetLane(hn::MaxOfLanes(f, highest))});
  return range;
}

void widen_ranges_of_groups(const float* values, std::size_t count, std::size_t group, ValueRange* ranges) {
  for (std::size_t i = 0; i < count; i += group)
    ranges[i / group].widen(range_of_values(values + i, std::min(group, count - i)));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(round_any);
HWY_EXPORT(squared_error_any);
HWY_EXPORT(range_of_values);
HWY_EXPORT(widen_ranges_of_groups);
}  // namespace

std::int64_t round_to_integers(const IntegerScale& scale, Rounding rounding, std::span<float> values,
                               const std::uint32_t* random) {
  // A group of zeros, or one whose outermost code exceeds float32 because the scale was rounded up.
  if (scale.scale == 0 || std::isinf(std::max(-scale.low, scale.high) * scale.scale)) {
    std::int64_t saturated = 0;
    for (auto& x : values) {
      const auto rounded = round_to_integer(scale, rounding, x);
      x = rounded.value;
      saturated += rounded.saturated;
    }
    return saturated;
  }
  return HWY_DYNAMIC_DISPATCH(round_any)(scale, rounding, values.data(), values.size(), random);
}

double integer_squared_error(const IntegerScale& scale, Rounding rounding, std::span<const float> values) {
  return HWY_DYNAMIC_DISPATCH(squared_error_any)(scale, rounding, values.data(), values.size());
}

ValueRange range_of(std::span<const float> values) {
  return HWY_DYNAMIC_DISPATCH(range_of_values)(values.data(), values.size());
}

void widen_ranges(std::span<const float> values, std::size_t group, std::span<ValueRange> ranges) {
  HWY_DYNAMIC_DISPATCH(widen_ranges_of_groups)(values.data(), values.size(), group, ranges.data());
}

}  // namespace fakequant
#endif
