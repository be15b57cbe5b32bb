#include "format/fake_quantize.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/fake_quantize.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
#if HWY_TARGET == HWY_SCALAR
using DD = hn::Rebind<double, D>;
#else
using DD = hn::RepartitionToWide<D>;
#endif

// What format/bf16.h does to one value, to a vector of them.
template <Rounding rounding>
V round_bf16(V x) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  auto rounded = bits;
  if constexpr (rounding == Rounding::nearest) {
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
    rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), odd);
  }
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000u));
  rounded = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
  return hn::BitCast(d, hn::And(rounded, hn::Set(du, 0xFFFF0000u)));
}

// The figures of RoundingErrors, one partial result a lane.
class Figures {
 public:
  // Written out: an implicit constructor would be compiled without the target's instructions.
  Figures() {
    changed_ = saturated_ = hn::Zero(hn::RebindToUnsigned<D>());
    absmax_ = max_abs_ = max_rel_ = hn::Zero(D());
    abs_0_ = abs_1_ = error2_0_ = error2_1_ = signal2_0_ = signal2_1_ = hn::Zero(DD());
  }

  void add(V x, V y) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const auto zero = hn::Zero(d);
    const auto one = hn::Set(du, 1u);
    const auto largest = hn::Set(d, std::numeric_limits<float>::max());
    // A comparison with NaN is false: what is not finite drops out of the figures.
    const auto signal = hn::Abs(x);
    const auto difference = hn::Abs(hn::Sub(y, x));
    const auto finite_in = hn::Le(signal, largest);
    const auto finite = hn::And(finite_in, hn::Le(difference, largest));
    const auto e = hn::IfThenElseZero(finite, difference);
    const auto s = hn::IfThenElseZero(finite, signal);
    const auto same = hn::Or(hn::IsNaN(x), hn::RebindMask(d, hn::Eq(hn::BitCast(du, x), hn::BitCast(du, y))));
    changed_ = hn::Add(changed_, hn::IfThenZeroElse(hn::RebindMask(du, same), one));
    saturated_ = hn::Add(saturated_, hn::IfThenElseZero(hn::RebindMask(du, hn::AndNot(finite, finite_in)), one));
    absmax_ = hn::Max(absmax_, hn::IfThenElseZero(finite_in, signal));
    max_abs_ = hn::Max(max_abs_, e);
    max_rel_ = hn::Max(max_rel_, hn::IfThenElseZero(hn::Gt(s, zero), hn::Div(e, s)));
#if HWY_TARGET == HWY_SCALAR  // one lane has no halves
    add_sums(e, s, 0);
#else
    add_sums(hn::LowerHalf(e), hn::LowerHalf(s), 0);
    add_sums(hn::UpperHalf(hn::Half<D>(), e), hn::UpperHalf(hn::Half<D>(), s), 1);
#endif
  }

  RoundingErrors total(std::int64_t elements) const {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const DD dd;
    RoundingErrors result;
    result.elements = elements;
    result.changed = hn::GetLane(hn::SumOfLanes(du, changed_));
    result.saturated = hn::GetLane(hn::SumOfLanes(du, saturated_));
    result.absmax = hn::GetLane(hn::MaxOfLanes(d, absmax_));
    result.max_abs = hn::GetLane(hn::MaxOfLanes(d, max_abs_));
    result.max_rel = hn::GetLane(hn::MaxOfLanes(d, max_rel_));
    result.sum_abs = hn::GetLane(hn::SumOfLanes(dd, hn::Add(abs_0_, abs_1_)));
    result.sum_error2 = hn::GetLane(hn::SumOfLanes(dd, hn::Add(error2_0_, error2_1_)));
    result.sum_signal2 = hn::GetLane(hn::SumOfLanes(dd, hn::Add(signal2_0_, signal2_1_)));
    return result;
  }

 private:
  template <typename Half>
  void add_sums(Half e_half, Half s_half, int half) {
    const DD dd;
    const auto e = hn::PromoteTo(dd, e_half);
    const auto s = hn::PromoteTo(dd, s_half);
    auto& abs = half == 0 ? abs_0_ : abs_1_;
    auto& error2 = half == 0 ? error2_0_ : error2_1_;
    auto& signal2 = half == 0 ? signal2_0_ : signal2_1_;
    abs = hn::Add(abs, e);
    error2 = hn::MulAdd(e, e, error2);
    signal2 = hn::MulAdd(s, s, signal2);
  }

  hn::Vec<hn::RebindToUnsigned<D>> changed_, saturated_;
  V absmax_, max_abs_, max_rel_;
  hn::Vec<DD> abs_0_, abs_1_, error2_0_, error2_1_, signal2_0_, signal2_1_;
};

template <Rounding rounding>
RoundingErrors round_values(float* values, std::size_t count) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  Figures figures;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto x = hn::LoadU(d, values + i);
    const auto y = round_bf16<rounding>(x);
    hn::StoreU(y, d, values + i);
    figures.add(x, y);
  }
  if (i < count) {  // the rest, filled up with zeros, which change nothing
    HWY_ALIGN std::array<float, HWY_MAX_BYTES / sizeof(float)> rest{};
    std::copy(values + i, values + count, rest.begin());
    const auto x = hn::Load(d, rest.data());
    const auto y = round_bf16<rounding>(x);
    hn::Store(y, d, rest.data());
    std::copy_n(rest.begin(), count - i, values + i);
    figures.add(x, y);
  }
  return figures.total(static_cast<std::int64_t>(count));
}

RoundingErrors round_bf16_nearest(float* values, std::size_t count) {
  return round_values<Rounding::nearest>(values, count);
}
RoundingErrors round_bf16_zero(float* values, std::size_t count) { return round_values<Rounding::zero>(values, count); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(round_bf16_nearest);
HWY_EXPORT(round_bf16_zero);

}  // namespace

RoundingErrors fake_quantize(const Format& format, std::span<float> values) {
  // The kernels count in 32 bits, and sums of pieces lose less than one long sum.
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  const bool truncate = format.rounding == Rounding::zero;
  RoundingErrors total;
  for (std::size_t begin = 0; begin < values.size(); begin += kPiece) {
    const auto piece = values.subspan(begin, std::min(kPiece, values.size() - begin));
    total.add(truncate ? HWY_DYNAMIC_DISPATCH(round_bf16_zero)(piece.data(), piece.size())
                       : HWY_DYNAMIC_DISPATCH(round_bf16_nearest)(piece.data(), piece.size()));
  }
  return total;
}

}  // namespace fakequant
#endif
