#include "engine/gelu.h"

#include <algorithm>
#include <array>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/gelu.cc"
// The targets come first.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F = hn::CappedTag<float, 16>;

template <typename Function>
void for_each_vector(float* values, std::size_t count, const Function& function) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(hn::LoadU(f, values + i)), f, values + i);
  if (i == count) return;
  std::array<float, hn::MaxLanes(F())> rest{};
  std::copy(values + i, values + count, rest.begin());
  hn::StoreU(function(hn::LoadU(f, rest.data())), f, rest.data());
  std::copy_n(rest.begin(), count - i, values + i);
}

void gelu_here(float* values, std::size_t count) {
  for_each_vector(values, count, [](hn::Vec<F> x) HWY_ATTR {
    const F f;
    const auto cube = hn::Mul(hn::Mul(x, x), x);
    const auto inner = hn::Mul(hn::Set(f, 0.79788456080286535588F), hn::Add(x, hn::Mul(hn::Set(f, 0.044715F), cube)));
    return hn::Mul(hn::Mul(hn::Set(f, 0.5F), x), hn::Add(hn::Set(f, 1.0F), hn::Tanh(f, inner)));
  });
}

void gelu_quick_here(float* values, std::size_t count) {
  for_each_vector(values, count, [](hn::Vec<F> x) HWY_ATTR {
    const F f;
    return hn::Div(x, hn::Add(hn::Set(f, 1.0F), hn::Exp(f, hn::Mul(hn::Set(f, -1.702F), x))));
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(gelu_here);
HWY_EXPORT(gelu_quick_here);
}  // namespace

void gelu(std::span<float> values) { HWY_DYNAMIC_DISPATCH(gelu_here)(values.data(), values.size()); }

void gelu_quick(std::span<float> values) { HWY_DYNAMIC_DISPATCH(gelu_quick_here)(values.data(), values.size()); }

}  // namespace fakequant
#endif
