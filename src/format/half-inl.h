// Vectors of the 16-bit floats that models are stored in, to vectors of float and back.
//
// Compiled once for each instruction set: it is included inside Highway's foreach_target, and has no include guard of
// the usual kind.
#if defined(FAKEQUANT_FORMAT_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAKEQUANT_FORMAT_HALF_INL_H_
#undef FAKEQUANT_FORMAT_HALF_INL_H_
#else
#define FAKEQUANT_FORMAT_HALF_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {
namespace half {

namespace hn = hwy::HWY_NAMESPACE;
using F = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<F>;
using I = hn::RebindToSigned<F>;
using U16 = hn::Rebind<std::uint16_t, F>;  // as many halves as floats
using Words = hn::Vec<U>;

inline constexpr std::uint32_t kSign = 0x80000000u;
inline constexpr std::uint32_t kInfinity = 0x7F800000u;
inline constexpr std::uint32_t kQuiet = 0x00400000u;
inline constexpr int kExponentDifference = 127 - 15;  // of the biases of float and F16
inline constexpr int kBitsDifference = 23 - 10;       // of their mantissa bits

// x86 has instructions for F16 from AVX2 on. (Highway 1.0.3's conversions for other targets truncate and do not support
// infinity.)
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86 && !defined(HWY_DISABLE_F16C)
#define FAKEQUANT_CONVERTS_F16 1
#else
#define FAKEQUANT_CONVERTS_F16 0
#endif

// The bits of halves, each in 32 bits, as the bits of floats.
inline Words widen_f16_bits(Words half) {
  const U u;
  const F f;
  const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(u, 0x8000u)));
  const auto magnitude = hn::ShiftLeft<kBitsDifference>(hn::And(half, hn::Set(u, 0x7FFFu)));
  const auto normal = hn::Add(magnitude, hn::Set(u, std::uint32_t{kExponentDifference} << 23));
  // 2^-14 with this mantissa, minus 2^-14.
  const auto least = hn::Set(u, std::uint32_t{kExponentDifference + 1} << 23);
  const auto subnormal = hn::BitCast(u, hn::Sub(hn::BitCast(f, hn::Or(magnitude, least)), hn::BitCast(f, least)));
  const auto is_subnormal = hn::Lt(hn::BitCast(I(), magnitude), hn::Set(I(), 1 << 23));
  const auto is_special = hn::Gt(hn::BitCast(I(), magnitude), hn::Set(I(), (31 << 23) - 1));
  auto result = hn::IfThenElse(hn::RebindMask(u, is_subnormal), subnormal, normal);
  result = hn::Or(result, hn::IfThenElseZero(hn::RebindMask(u, is_special), hn::Set(u, kInfinity)));
  return hn::Or(result, sign);
}

// The bits of floats as the bits of halves, each in 32: to the nearest, ties to even.
inline Words narrow_f16_bits(Words bits) {
  const U u;
  const I i;
  const F f;
  const auto magnitude = hn::AndNot(hn::Set(u, kSign), bits);
  const auto sign = hn::ShiftRight<16>(hn::And(bits, hn::Set(u, kSign)));
  const auto is_below = [&](std::uint32_t limit) {
    return hn::RebindMask(u, hn::Lt(hn::BitCast(i, magnitude), hn::Set(i, static_cast<std::int32_t>(limit))));
  };
  // Just under half a step, and one more if the code is odd; then the difference of the biases.
  const auto odd = hn::And(hn::ShiftRight<kBitsDifference>(magnitude), hn::Set(u, 1u));
  const auto sum = hn::Add(magnitude, hn::Add(odd, hn::Set(u, (1u << (kBitsDifference - 1)) - 1)));
  const auto normal =
      hn::ShiftRight<kBitsDifference>(hn::Sub(sum, hn::Set(u, std::uint32_t{kExponentDifference} << 23)));
  // From 1/2 to 1 the floats are 2^-24 apart, which is F16's smallest step.
  const auto one_half = hn::Set(f, 0.5f);
  const auto subnormal =
      hn::Sub(hn::BitCast(u, hn::Add(hn::BitCast(f, magnitude), one_half)), hn::BitCast(u, one_half));
  const auto is_nan = hn::Gt(hn::BitCast(i, magnitude), hn::Set(i, static_cast<std::int32_t>(kInfinity)));
  const auto nan = hn::Or(hn::And(hn::ShiftRight<kBitsDifference>(magnitude), hn::Set(u, 0x3FFu)), hn::Set(u, 0x7E00u));
  auto result = hn::IfThenElse(is_below(0x38800000u), subnormal, normal);       // 2^-14
  result = hn::IfThenElse(is_below(0x477FF000u), result, hn::Set(u, 0x7C00u));  // 65520
  result = hn::IfThenElse(hn::RebindMask(u, is_nan), nan, result);
  return hn::Or(result, sign);
}

struct F16 {
  static hn::Vec<F> widen(hn::Vec<U16> halves) {
#if FAKEQUANT_CONVERTS_F16
    return hn::PromoteTo(F(), hn::BitCast(hn::Rebind<hwy::float16_t, F>(), halves));
#else
    return hn::BitCast(F(), widen_f16_bits(hn::PromoteTo(U(), halves)));
#endif
  }

  static hn::Vec<U16> narrow(hn::Vec<F> values) {
#if FAKEQUANT_CONVERTS_F16
    return hn::BitCast(U16(), hn::DemoteTo(hn::Rebind<hwy::float16_t, F>(), values));
#else
    return hn::DemoteTo(U16(), hn::BitCast(I(), narrow_f16_bits(hn::BitCast(U(), values))));
#endif
  }
};

struct Bf16 {
  static hn::Vec<F> widen(hn::Vec<U16> halves) {
    return hn::BitCast(F(), hn::ShiftLeft<16>(hn::PromoteTo(U(), halves)));
  }

  static hn::Vec<U16> narrow(hn::Vec<F> values) {
    const U u;
    const auto bits = hn::BitCast(u, values);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1u));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(u, 0x7FFFu)));
    const auto magnitude = hn::BitCast(I(), hn::AndNot(hn::Set(u, kSign), bits));
    const auto is_nan = hn::RebindMask(u, hn::Gt(magnitude, hn::Set(I(), static_cast<std::int32_t>(kInfinity))));
    const auto kept = hn::ShiftRight<16>(hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(u, kQuiet)), rounded));
    return hn::DemoteTo(U16(), hn::BitCast(I(), kept));
  }
};

#undef FAKEQUANT_CONVERTS_F16

}  // namespace half
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#endif
