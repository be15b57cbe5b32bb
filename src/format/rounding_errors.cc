#include "format/rounding_errors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/rounding_errors.cc"
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

// The sums, one partial result a lane.
class Sums {
 public:
  // Explicit, because an implicit constructor would be compiled without the target's instructions.
  Sums() { abs_ = error2_ = signal2_ = cross_ = hn::Zero(DD()); }

  // Half a vector of values and of their finite errors; 0 and 0 for values that do not count.
  template <typename Half>
  void add(Half x_half, Half difference_half) {
    const DD dd;
    const auto x = hn::PromoteTo(dd, x_half), difference = hn::PromoteTo(dd, difference_half);
    abs_ = hn::Add(abs_, hn::Abs(difference));
    error2_ = hn::MulAdd(difference, difference, error2_);
    signal2_ = hn::MulAdd(x, x, signal2_);
    cross_ = hn::MulAdd(x, difference, cross_);
  }

  void add_to(RoundingErrors& errors) const {
    const DD dd;
    errors.sum_abs += hn::GetLane(hn::SumOfLanes(dd, abs_));
    errors.sum_error2 += hn::GetLane(hn::SumOfLanes(dd, error2_));
    errors.sum_signal2 += hn::GetLane(hn::SumOfLanes(dd, signal2_));
    errors.sum_cross += hn::GetLane(hn::SumOfLanes(dd, cross_));
  }

 private:
  hn::Vec<DD> abs_, error2_, signal2_, cross_;
};

class Figures {
 public:
  Figures() {
    changed_ = flushed_ = not_finite_ = hn::Zero(hn::RebindToUnsigned<D>());
    absmax_ = max_abs_ = max_rel_ = hn::Zero(D());
  }

  void add(V x, V y) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const auto zero = hn::Zero(d);
    const auto one = hn::Set(du, 1u);
    const auto largest = hn::Set(d, std::numeric_limits<float>::max());
    // Comparisons with NaN are false, so values that are not finite do not count.
    const auto signal = hn::Abs(x);
    const auto difference = hn::Sub(y, x);
    const auto finite_in = hn::Le(signal, largest);
    const auto finite = hn::And(finite_in, hn::Le(hn::Abs(difference), largest));
    const auto e = hn::IfThenElseZero(finite, difference);
    const auto s = hn::IfThenElseZero(finite, x);
    const auto same = hn::Or(hn::IsNaN(x), hn::RebindMask(d, hn::Eq(hn::BitCast(du, x), hn::BitCast(du, y))));
    changed_ = hn::Add(changed_, hn::IfThenZeroElse(hn::RebindMask(du, same), one));
    const auto became_not_finite = hn::AndNot(finite, finite_in);
    not_finite_ = hn::Add(not_finite_, hn::IfThenElseZero(hn::RebindMask(du, became_not_finite), one));
    const auto not_zero = hn::Gt(hn::Abs(s), zero);
    flushed_ = hn::Add(flushed_, hn::IfThenElseZero(hn::RebindMask(du, hn::And(not_zero, hn::Eq(y, zero))), one));
    absmax_ = hn::Max(absmax_, hn::IfThenElseZero(finite_in, signal));
    max_abs_ = hn::Max(max_abs_, hn::Abs(e));
    max_rel_ = hn::Max(max_rel_, hn::IfThenElseZero(not_zero, hn::Div(hn::Abs(e), hn::Abs(s))));
#if HWY_TARGET == HWY_SCALAR  // one lane has no halves
    low_.add(s, e);
#else
    low_.add(hn::LowerHalf(s), hn::LowerHalf(e));
    high_.add(hn::UpperHalf(hn::Half<D>(), s), hn::UpperHalf(hn::Half<D>(), e));
#endif
  }

  RoundingErrors total(std::int64_t elements) const {
    const D d;
    const hn::RebindToUnsigned<D> du;
    RoundingErrors result;
    result.elements = elements;
    result.changed = hn::GetLane(hn::SumOfLanes(du, changed_));
    result.flushed = hn::GetLane(hn::SumOfLanes(du, flushed_));
    result.not_finite = hn::GetLane(hn::SumOfLanes(du, not_finite_));
    result.absmax = hn::GetLane(hn::MaxOfLanes(d, absmax_));
    result.max_abs = hn::GetLane(hn::MaxOfLanes(d, max_abs_));
    result.max_rel = hn::GetLane(hn::MaxOfLanes(d, max_rel_));
    low_.add_to(result);
    high_.add_to(result);
    if (result.not_finite > 0) result.max_abs = result.max_rel = std::numeric_limits<double>::infinity();
    return result;
  }

 private:
  hn::Vec<hn::RebindToUnsigned<D>> changed_, flushed_, not_finite_;
  V absmax_, max_abs_, max_rel_;
  Sums low_, high_;
};

RoundingErrors errors_of_piece(const float* before, const float* after, std::size_t count) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  Figures figures;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) figures.add(hn::LoadU(d, before + i), hn::LoadU(d, after + i));
  if (i < count) {  // the rest, padded with zeros, which do not change
    HWY_ALIGN std::array<float, HWY_MAX_BYTES / sizeof(float)> x{}, y{};
    std::copy(before + i, before + count, x.begin());
    std::copy(after + i, after + count, y.begin());
    figures.add(hn::Load(d, x.data()), hn::Load(d, y.data()));
  }
  return figures.total(static_cast<std::int64_t>(count));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(errors_of_piece);
}  // namespace

RoundingErrors errors_between(std::span<const float> before, std::span<const float> after) {
  // The kernels count in 32 bits, and sums of pieces lose fewer bits than one long sum.
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  RoundingErrors total;
  for (std::size_t begin = 0; begin < before.size(); begin += kPiece) {
    const std::size_t count = std::min(kPiece, before.size() - begin);
    total.add(HWY_DYNAMIC_DISPATCH(errors_of_piece)(before.data() + begin, after.data() + begin, count));
  }
  return total;
}

void RoundingErrors::add(const RoundingErrors& other) {
  elements += other.elements;
  changed += other.changed;
  saturated += other.saturated;
  flushed += other.flushed;
  not_finite += other.not_finite;
  absmax = std::max(absmax, other.absmax);
  max_abs = std::max(max_abs, other.max_abs);
  max_rel = std::max(max_rel, other.max_rel);
  sum_abs += other.sum_abs;
  sum_error2 += other.sum_error2;
  sum_signal2 += other.sum_signal2;
  sum_cross += other.sum_cross;
}

double RoundingErrors::mean_abs() const {
  if (not_finite > 0) return std::numeric_limits<double>::infinity();
  return elements == 0 ? 0 : sum_abs / static_cast<double>(elements);
}

double RoundingErrors::rmse() const {
  if (not_finite > 0) return std::numeric_limits<double>::infinity();
  return elements == 0 ? 0 : std::sqrt(sum_error2 / static_cast<double>(elements));
}

double RoundingErrors::sqnr_db() const {
  if (not_finite > 0) return -std::numeric_limits<double>::infinity();
  if (sum_error2 == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(sum_signal2 / sum_error2);
}

double RoundingErrors::cosine() const {
  if (not_finite > 0) return 0;
  if (sum_error2 == 0) return 1;
  const double rounded2 = sum_signal2 + 2 * sum_cross + sum_error2;
  if (sum_signal2 == 0 || rounded2 <= 0) return 0;
  return std::clamp((sum_signal2 + sum_cross) / std::sqrt(sum_signal2) / std::sqrt(rounded2), -1.0, 1.0);
}

}  // namespace fakequant
#endif
