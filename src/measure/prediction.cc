#include "measure/prediction.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "measure/prediction.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<double, 8>;
using F = hn::Rebind<float, D>;
using V = hn::Vec<D>;

// Calls add(logits as doubles, ...) for each full vector of the arrays, and for their rest filled up with -infinity.
template <typename Add, typename... Logits>
HWY_INLINE void for_each_vector(std::size_t count, const Add& add, const Logits*... logits) {
  const D d;
  const F f;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) add(hn::PromoteTo(d, hn::LoadU(f, logits + i))...);
  if (i == count) return;
  const auto rest = [&](const float* from) {
    alignas(64) std::array<float, 8> last;
    last.fill(-std::numeric_limits<float>::infinity());
    std::copy(from + i, from + count, last.begin());
    return hn::PromoteTo(d, hn::Load(f, last.data()));
  };
  add(rest(logits)...);
}

// The sum of exp(logit - largest); NaN where a logit is.
double sum_of_exponentials(const float* logits, std::size_t count, double largest) {
  const D d;
  const V offset = hn::Set(d, largest);
  V sum = hn::Zero(d);
  for_each_vector(
      count,
      [&](V x) HWY_ATTR {
        const auto is_number = hn::Eq(x, x);
        sum = hn::Add(sum, hn::IfThenElse(is_number, hn::Exp(d, hn::Sub(x, offset)), x));
      },
      logits);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

double sum_of_divergences(const float* p_logits, double p_log_sum, const float* q_logits, double q_log_sum,
                          std::size_t count) {
  const D d;
  const V p_offset = hn::Set(d, p_log_sum), q_offset = hn::Set(d, q_log_sum);
  V sum = hn::Zero(d);
  for_each_vector(
      count,
      [&](V a, V b) HWY_ATTR {
        const V log_p = hn::Sub(a, p_offset), log_q = hn::Sub(b, q_offset);
        const V p = hn::Exp(d, log_p);
        sum = hn::Add(sum, hn::IfThenElseZero(hn::Gt(p, hn::Zero(d)), hn::Mul(p, hn::Sub(log_p, log_q))));
      },
      p_logits, q_logits);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {

HWY_EXPORT(sum_of_exponentials);
HWY_EXPORT(sum_of_divergences);

Prediction predict(std::span<const float> logits) {
  Prediction prediction;
  auto& tokens = prediction.top;
  tokens.fill(-1);
  std::array<float, kTopTokens> values;
  values.fill(-std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > values.back()) && tokens.back() >= 0) continue;
    std::size_t place = kTopTokens - 1;
    while (place > 0 && (tokens[place - 1] < 0 || logits[i] > values[place - 1])) {
      values[place] = values[place - 1];
      tokens[place] = tokens[place - 1];
      --place;
    }
    values[place] = logits[i];
    tokens[place] = static_cast<std::int32_t>(i);
  }
  const auto largest = static_cast<double>(logits[static_cast<std::size_t>(tokens[0])]);
  prediction.log_sum =
      largest + std::log(HWY_DYNAMIC_DISPATCH(sum_of_exponentials)(logits.data(), logits.size(), largest));
  return prediction;
}

double divergence(std::span<const float> p_logits, const Prediction& p, std::span<const float> q_logits,
                  const Prediction& q) {
  return HWY_DYNAMIC_DISPATCH(sum_of_divergences)(p_logits.data(), p.log_sum, q_logits.data(), q.log_sum,
                                                  p_logits.size());
}

}  // namespace fakequant
#endif
