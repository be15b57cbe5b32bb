#include "format/half_precision.h"

#include <algorithm>
#include <array>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/half_precision.cc"
#include <hwy/foreach_target.h>
//
#include "format/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Calls convert(from, to) for every `lanes` values, and for the rest on copies of them.
template <typename From, typename To, typename Convert>
void for_vectors(const From* from, To* to, std::size_t count, const Convert& convert) {
  const std::size_t lanes = hn::Lanes(half::F());
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) convert(from + i, to + i);
  if (i == count) return;
  std::array<From, 16> rest{};
  std::array<To, 16> converted{};
  std::copy(from + i, from + count, rest.begin());
  convert(rest.data(), converted.data());
  std::copy(converted.begin(), converted.begin() + static_cast<std::ptrdiff_t>(count - i), to + i);
}

template <typename Type>
void widen_type(const std::uint16_t* stored, float* values, std::size_t count) {
  for_vectors(stored, values, count, [](const std::uint16_t* from, float* to) {
    hn::StoreU(Type::widen(hn::LoadU(half::U16(), from)), half::F(), to);
  });
}

template <typename Type>
void narrow_type(const float* values, std::uint16_t* stored, std::size_t count) {
  for_vectors(values, stored, count, [](const float* from, std::uint16_t* to) {
    hn::StoreU(Type::narrow(hn::LoadU(half::F(), from)), half::U16(), to);
  });
}

void widen_half(Half type, const std::uint16_t* stored, float* values, std::size_t count) {
  type == Half::f16 ? widen_type<half::F16>(stored, values, count) : widen_type<half::Bf16>(stored, values, count);
}

void narrow_half(Half type, const float* values, std::uint16_t* stored, std::size_t count) {
  type == Half::f16 ? narrow_type<half::F16>(values, stored, count) : narrow_type<half::Bf16>(values, stored, count);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(widen_half);
HWY_EXPORT(narrow_half);
}  // namespace

void widen(Half type, const std::uint16_t* stored, std::span<float> values) {
  HWY_DYNAMIC_DISPATCH(widen_half)(type, stored, values.data(), values.size());
}

void narrow(Half type, std::span<const float> values, std::uint16_t* stored) {
  HWY_DYNAMIC_DISPATCH(narrow_half)(type, values.data(), stored, values.size());
}

}  // namespace fakequant
#endif
