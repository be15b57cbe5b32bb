#include "weights/value_differences.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weights/value_differences.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
// Doubles, and as many floats.
using D = hn::CappedTag<double, 8>;
using F = hn::Rebind<float, D>;
using U = hn::RebindToUnsigned<F>;
using Doubles = hn::Vec<D>;

class Differences {
 public:
  // Explicit, because an implicit constructor would be compiled without the target's instructions.
  Differences() {
    max_abs_ = max_rel_ = abs_ = error2_ = a2_ = b2_ = ab_ = hn::Zero(D());
    changed_ = not_finite_ = hn::Zero(U());
  }

  void add(hn::Vec<F> a, hn::Vec<F> b) {
    const D d;
    const auto same = hn::Eq(hn::BitCast(U(), a), hn::BitCast(U(), b));
    const auto both_nan = hn::RebindMask(U(), hn::And(hn::IsNaN(a), hn::IsNaN(b)));
    const auto differ = hn::IfThenZeroElse(hn::Or(same, both_nan), hn::Set(U(), 1u));
    changed_ = hn::Add(changed_, differ);
    auto x = hn::PromoteTo(d, a), y = hn::PromoteTo(d, b);
    // A comparison with NaN is false, so this also excludes NaN.
    const auto finite = hn::Le(hn::Abs(hn::Sub(x, y)), hn::Set(d, std::numeric_limits<double>::max()));
    if (HWY_UNLIKELY(!hn::AllTrue(d, finite))) count_not_finite(a, b, differ);
    x = hn::IfThenElseZero(finite, x);
    y = hn::IfThenElseZero(finite, y);
    const auto error = hn::Abs(hn::Sub(x, y)), size = hn::Abs(x);
    max_abs_ = hn::Max(max_abs_, error);
    abs_ = hn::Add(abs_, error);
    error2_ = hn::MulAdd(error, error, error2_);
    a2_ = hn::MulAdd(x, x, a2_);
    b2_ = hn::MulAdd(y, y, b2_);
    ab_ = hn::MulAdd(x, y, ab_);
    // Divide only if there may be a new maximum, which is rare after the first few.
    const auto nearly = hn::Mul(hn::Mul(max_rel_, size), hn::Set(d, 1 - 0x1p-50));
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Gt(error, nearly)))) {
      const auto relative = hn::IfThenElseZero(hn::Gt(size, hn::Zero(d)), hn::Div(error, size));
      max_rel_ = hn::Max(max_rel_, relative);
    }
  }

  // Counts the lanes that differ and have a NaN or infinity.
  void count_not_finite(hn::Vec<F> a, hn::Vec<F> b, hn::Vec<U> differ) {
    const auto largest = hn::Set(F(), std::numeric_limits<float>::max());
    const auto finite = hn::And(hn::Le(hn::Abs(a), largest), hn::Le(hn::Abs(b), largest));
    not_finite_ = hn::Add(not_finite_, hn::IfThenZeroElse(hn::RebindMask(U(), finite), differ));
  }

  ValueDifferences total() const {
    const D d;
    const auto sum = [&](Doubles lanes) { return hn::GetLane(hn::SumOfLanes(d, lanes)); };
    ValueDifferences result;
    result.changed = hn::GetLane(hn::SumOfLanes(U(), changed_));
    result.not_finite = hn::GetLane(hn::SumOfLanes(U(), not_finite_));
    result.max_abs = hn::GetLane(hn::MaxOfLanes(d, max_abs_));
    result.max_rel = hn::GetLane(hn::MaxOfLanes(d, max_rel_));
    result.sum_abs = sum(abs_);
    result.sum_error2 = sum(error2_);
    result.sum_a2 = sum(a2_);
    result.sum_b2 = sum(b2_);
    result.sum_ab = sum(ab_);
    return result;
  }

 private:
  Doubles max_abs_, max_rel_, abs_, error2_, a2_, b2_, ab_;
  hn::Vec<U> changed_, not_finite_;
};

ValueDifferences differences(const float* a, const float* b, std::size_t count) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  Differences result;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) result.add(hn::LoadU(f, a + i), hn::LoadU(f, b + i));
  if (i < count) {  // the rest, padded with zeros, which do not differ
    std::array<float, 8> rest_a{}, rest_b{};
    std::copy(a + i, a + count, rest_a.begin());
    std::copy(b + i, b + count, rest_b.begin());
    result.add(hn::LoadU(f, rest_a.data()), hn::LoadU(f, rest_b.data()));
  }
  return result.total();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(differences);
}  // namespace

void ValueDifferences::add(const ValueDifferences& other) {
  changed += other.changed;
  not_finite += other.not_finite;
  max_abs = std::max(max_abs, other.max_abs);
  max_rel = std::max(max_rel, other.max_rel);
  sum_abs += other.sum_abs;
  sum_error2 += other.sum_error2;
  sum_a2 += other.sum_a2;
  sum_b2 += other.sum_b2;
  sum_ab += other.sum_ab;
}

ValueDifferences value_differences(std::span<const float> a, std::span<const float> b) {
  // The kernel counts in 32 bits, and the sum of short sums is more accurate than one long sum.
  constexpr std::size_t kPiece = std::size_t{1} << 14;
  ValueDifferences total;
  for (std::size_t begin = 0; begin < a.size(); begin += kPiece) {
    const auto count = std::min(kPiece, a.size() - begin);
    total.add(HWY_DYNAMIC_DISPATCH(differences)(a.data() + begin, b.data() + begin, count));
  }
  return total;
}

}  // namespace fakequant
#endif
