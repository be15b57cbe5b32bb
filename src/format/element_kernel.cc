#include "format/element_kernel.h"

#include "format/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/element_kernel.cc"
#include <hwy/foreach_target.h>
//
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

// Handles the values beyond the largest. They are rare, so vectors without one skip this.
class Beyond {
 public:
  Beyond(const Element& element, Rounding rounding, bool saturate) {
    const F f;
    const bool has_infinity = element.has_infinity && !saturate;
    const auto infinity = hn::Set(f, std::numeric_limits<float>::infinity());
    largest = hn::Set(f, static_cast<float>(element.largest));
    positive_ = has_infinity && overflows_to_infinity(rounding, false) ? infinity : largest;
    negative_ = has_infinity && overflows_to_infinity(rounding, true) ? infinity : largest;
    of_infinity_ = has_infinity ? infinity : largest;
    infinity_saturates_ = !has_infinity;
    saturated_ = hn::Zero(U());
  }

  bool any(Floats magnitude) const { return HWY_UNLIKELY(!hn::AllTrue(F(), hn::Le(magnitude, largest))); }

  // `rounded` is the magnitude of x rounded as if there were no largest value.
  Floats magnitude(Floats x, Floats rounded) {
    const F f;
    const auto infinity = hn::Set(f, std::numeric_limits<float>::infinity());
    const auto is_number = hn::Eq(x, x);
    const auto is_infinite = hn::Eq(hn::Abs(x), infinity);
    const auto overflows = hn::And(is_number, hn::AndNot(is_infinite, hn::Gt(rounded, largest)));
    auto result = hn::IfThenElse(overflows, hn::IfThenElse(is_negative(x), negative_, positive_), rounded);
    result = hn::IfThenElse(is_infinite, of_infinity_, result);
    const auto saturates = infinity_saturates_ ? hn::Or(overflows, is_infinite) : overflows;
    saturated_ = counted(saturated_, saturates);
    return hn::IfThenElse(is_number, result, quiet(x));
  }

  std::int64_t saturated() const { return hn::GetLane(hn::SumOfLanes(U(), saturated_)); }

  Floats largest;

 private:
  Floats positive_, negative_, of_infinity_;
  Words saturated_;
  bool infinity_saturates_;
};

// Rounds to an element with float32's exponents. The code is the upper part of the float's bits, and the lower part is
// the distance above the code: adding the right number to it carries into the code where the value is rounded away from
// zero.
template <Rounding rounding>
class ToUpperBits {
 public:
  // The element has 1 to 23 mantissa bits fewer than float32.
  ToUpperBits(const Element& element, bool saturate) : beyond_(element, rounding, saturate) {
    const U u;
    cut_.dropped = 23 - element.mantissa_bits;
    cut_.mask = hn::Set(u, (1u << cut_.dropped) - 1);
    cut_.half = hn::Set(u, 1u << (cut_.dropped - 1));
  }

  Floats operator()(Floats x, Words random) {
    const F f;
    const auto magnitude = hn::Abs(x);
    const auto sum = with_carry<rounding>(cut_, hn::BitCast(U(), magnitude), is_negative(x), random);
    auto rounded = hn::BitCast(f, hn::AndNot(cut_.mask, sum));
    if (beyond_.any(magnitude)) rounded = beyond_.magnitude(x, rounded);
    return hn::CopySignToAbs(rounded, x);
  }

  std::int64_t saturated() const { return beyond_.saturated(); }

 private:
  Beyond beyond_;
  UpperBitsCut cut_;
};

// Rounds to an element with fewer exponents than float32.
template <Rounding rounding>
class ToGrid {
 public:
  ToGrid(const Element& element, bool saturate)
      : grid_(element), beyond_(element, rounding, saturate), has_negative_zero_(element.has_negative_zero) {}

  Floats operator()(Floats x, Words random) {
    const auto magnitude = hn::Abs(x);
    const auto negative = is_negative(x);
    auto rounded = grid_.template round<rounding>(magnitude, negative, random);
    if (beyond_.any(magnitude)) {
      rounded = grid_.template round<rounding>(hn::Min(magnitude, grid_.cap), negative, random);
      rounded = beyond_.magnitude(x, rounded);
    }
    const auto result = hn::CopySignToAbs(rounded, x);
    return has_negative_zero_ ? result : without_negative_zero(result);
  }

  std::int64_t saturated() const { return beyond_.saturated(); }

 private:
  Grid grid_;
  Beyond beyond_;
  bool has_negative_zero_;
};

// Rounds to a scale times an element.
template <Rounding rounding, bool has_factor>
class ToScaledGrid {
 public:
  ToScaledGrid(const Element& element, const FloatScale& scale) : to_grid_(element, true) { set_scale(scale); }

  void set_scale(const FloatScale& scale) {
    scale_ = hn::Set(F(), scale.scale);
    factor_ = hn::Set(F(), scale.factor);
  }

  Floats operator()(Floats x, Words random) {
    const auto element = has_factor ? hn::Mul(x, factor_) : hn::Div(x, scale_);
    return hn::Mul(to_grid_(element, random), scale_);
  }

  std::int64_t saturated() const { return to_grid_.saturated(); }

 private:
  ToGrid<rounding> to_grid_;
  Floats scale_, factor_;
};

// Rounds to a scale times a value of a codebook.
template <bool has_factor>
class ToScaledCodebook {
 public:
  ToScaledCodebook(const Codebook& codebook, const FloatScale& scale) : to_codebook_(codebook) {
    scale_ = hn::Set(F(), scale.scale);
    factor_ = hn::Set(F(), scale.factor);
  }

  Floats operator()(Floats x, Words random) {
    const auto element = has_factor ? hn::Mul(x, factor_) : hn::Div(x, scale_);
    return hn::Mul(to_codebook_(element, random), scale_);
  }

  std::int64_t saturated() const { return to_codebook_.saturated(); }

 private:
  ToCodebook to_codebook_;
  Floats scale_, factor_;
};

std::int64_t round_to_list(const Codebook& codebook, float* values, std::size_t count) {
  return round_each<false>(values, count, nullptr, ToCodebook(codebook));
}

std::int64_t round_to_scaled_list(const Codebook& codebook, const FloatScale& scale, float* values, std::size_t count) {
  return scale.factor == 0
             ? round_each<false, kRowAhead>(values, count, nullptr, ToScaledCodebook<false>(codebook, scale))
             : round_each<false, kRowAhead>(values, count, nullptr, ToScaledCodebook<true>(codebook, scale));
}

template <Rounding rounding>
std::int64_t round_values(const Element& element, bool saturate, float* values, std::size_t count,
                          const std::uint32_t* random) {
  constexpr bool kRandom = is_random(rounding);
  if (element.exponent_bits == 8) {
    return round_each<kRandom>(values, count, random, ToUpperBits<rounding>(element, saturate));
  }
  return round_each<kRandom>(values, count, random, ToGrid<rounding>(element, saturate));
}

std::int64_t round_any(const Element& element, Rounding rounding, bool saturate, float* values, std::size_t count,
                       const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) { return round_values<r()>(element, saturate, values, count, random); });
}

template <Rounding rounding>
std::int64_t round_scaled_values(const Element& element, const FloatScale& scale, float* values, std::size_t count,
                                 const std::uint32_t* random) {
  const auto round = [&](auto to_grid) {
    return round_each<is_random(rounding), kRowAhead>(values, count, random, to_grid);
  };
  return scale.factor == 0 ? round(ToScaledGrid<rounding, false>(element, scale))
                           : round(ToScaledGrid<rounding, true>(element, scale));
}

template <Rounding rounding, bool has_factor>
std::int64_t round_groups(const Element& element, const FloatScale* scales, std::size_t group, std::size_t offset,
                          float* values, std::size_t count, const std::uint32_t* random) {
  const F f;
  const std::size_t lanes = hn::Lanes(f);
  constexpr bool kRandom = is_random(rounding);
  ToScaledGrid<rounding, has_factor> round(element, *scales);
  for (std::size_t i = 0; i < count; ++scales) {
    round.set_scale(*scales);
    const auto end = std::min(count, i + group - offset);
    offset = 0;
    for (; i + lanes <= end; i += lanes) {
      if (i % 16 == 0) prefetch_ahead(values + i, kRowAhead);  // once a cache line
      const auto words = kRandom ? hn::LoadU(U(), random + i) : hn::Zero(U());
      hn::StoreU(round(hn::LoadU(f, values + i), words), f, values + i);
    }
    if (i == end) continue;
    HWY_ALIGN std::array<float, 16> rest{};
    HWY_ALIGN std::array<std::uint32_t, 16> rest_random{};
    std::copy(values + i, values + end, rest.begin());
    if (kRandom) std::copy(random + i, random + end, rest_random.begin());
    hn::Store(round(hn::Load(f, rest.data()), hn::Load(U(), rest_random.data())), f, rest.data());
    std::copy_n(rest.begin(), end - i, values + i);
    i = end;
  }
  return round.saturated();
}

std::int64_t round_groups_any(const Element& element, const FloatScale* scales, std::size_t group, std::size_t offset,
                              Rounding rounding, float* values, std::size_t count, const std::uint32_t* random) {
  return with_constant(rounding, [&](auto r) {
    return scales->factor == 0 ? round_groups<r(), false>(element, scales, group, offset, values, count, random)
                               : round_groups<r(), true>(element, scales, group, offset, values, count, random);
  });
}

std::int64_t round_scaled_any(const Element& element, const FloatScale& scale, Rounding rounding, float* values,
                              std::size_t count, const std::uint32_t* random) {
  return with_constant(rounding,
                       [&](auto r) { return round_scaled_values<r()>(element, scale, values, count, random); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(round_any);
HWY_EXPORT(round_scaled_any);
HWY_EXPORT(round_groups_any);
HWY_EXPORT(round_to_list);
HWY_EXPORT(round_to_scaled_list);
}  // namespace

std::int64_t round_to_element(const Element& element, Rounding rounding, bool saturate, std::span<float> values,
                              const std::uint32_t* random) {
  if (element.codebook != nullptr) {
    return HWY_DYNAMIC_DISPATCH(round_to_list)(*element.codebook, values.data(), values.size());
  }
  if (element.exponent_bits == 8 && element.mantissa_bits == 23) {  // float32 itself
    if (!saturate) return 0;
    std::int64_t saturated = 0;
    for (auto& x : values) {
      const auto rounded = round_reference(element, rounding, saturate, x);
      x = rounded.value;
      saturated += rounded.saturated;
    }
    return saturated;
  }
  return HWY_DYNAMIC_DISPATCH(round_any)(element, rounding, saturate, values.data(), values.size(), random);
}

namespace {

// A group of zeros, or one whose outermost value exceeds float32 because the scale was rounded up.
bool is_for_reference(const Element& element, const FloatScale& scale) {
  return scale.scale == 0 || std::isinf(static_cast<float>(element.largest) * scale.scale);
}

}  // namespace

std::int64_t round_to_scaled_groups(const Element& element, std::span<const FloatScale> scales, std::size_t group,
                                    std::size_t offset, Rounding rounding, std::span<float> values,
                                    const std::uint32_t* random) {
  const bool has_factor = scales.front().factor != 0;
  const bool are_alike = std::all_of(scales.begin(), scales.end(), [&](const FloatScale& scale) {
    return (scale.factor != 0) == has_factor && !is_for_reference(element, scale);
  });
  if (are_alike && element.codebook == nullptr) {
    return HWY_DYNAMIC_DISPATCH(round_groups_any)(element, scales.data(), group, offset, rounding, values.data(),
                                                  values.size(), random);
  }
  std::int64_t saturated = 0;
  for (std::size_t i = 0, g = 0; i < values.size(); ++g) {
    const auto count = std::min(values.size() - i, group - offset);
    saturated += round_to_scaled_element(element, scales[g], rounding, values.subspan(i, count),
                                         random == nullptr ? nullptr : random + i);
    i += count;
    offset = 0;
  }
  return saturated;
}

std::int64_t round_to_scaled_element(const Element& element, const FloatScale& scale, Rounding rounding,
                                     std::span<float> values, const std::uint32_t* random) {
  if (is_for_reference(element, scale)) {
    std::int64_t saturated = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto rounded = round_to_scaled(element, scale, rounding, values[i], random == nullptr ? 0 : random[i]);
      values[i] = rounded.value;
      saturated += rounded.saturated;
    }
    return saturated;
  }
  if (element.codebook != nullptr) {
    return HWY_DYNAMIC_DISPATCH(round_to_scaled_list)(*element.codebook, scale, values.data(), values.size());
  }
  return HWY_DYNAMIC_DISPATCH(round_scaled_any)(element, scale, rounding, values.data(), values.size(), random);
}

}  // namespace fakequant
#endif
