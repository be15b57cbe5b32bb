#include "format/q8_k_kernel.h"

#include <cmath>

#include "format/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/q8_k_kernel.cc"
#include <hwy/foreach_target.h>
//
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

// NaN if there is one: comparisons are of bits, in which it is above all numbers.
float absmax_of_block(const float* block) {
  const F f;
  const hn::RebindToSigned<F> i32;
  const std::size_t lanes = hn::Lanes(f);
  auto even = hn::Zero(i32), odd = hn::Zero(i32);
  for (std::size_t i = 0; i < kQ8KBlock; i += 2 * lanes) {
    even = hn::Max(even, hn::BitCast(i32, hn::Abs(hn::LoadU(f, block + i))));
    odd = hn::Max(odd, hn::BitCast(i32, hn::Abs(hn::LoadU(f, block + i + lanes))));
  }
  return std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(i32, hn::Max(even, odd))));
}

// The first value of that magnitude.
float first_of(const float* block, float magnitude) {
  const F f;
  const auto wanted = hn::Set(f, magnitude);
  for (std::size_t i = 0; i < kQ8KBlock; i += hn::Lanes(f)) {
    const auto found = hn::FindFirstTrue(f, hn::Eq(hn::Abs(hn::LoadU(f, block + i)), wanted));
    if (found >= 0) return block[i + static_cast<std::size_t>(found)];
  }
  return magnitude;
}

std::size_t round_blocks_of_q8_k(float* values, std::size_t count) {
  const F f;
  const auto largest_code = hn::Set(f, 127.0f);
  for (std::size_t begin = 0; begin < count; begin += kQ8KBlock) {
    float* const block = values + begin;
    const float absmax = absmax_of_block(block);
    if (!(absmax >= 0x1p-100f && absmax <= 0x1p100f)) return begin;
    const float iscale = -127.0f / first_of(block, absmax);
    const auto factor = hn::Set(f, iscale), scale = hn::Set(f, 1 / iscale);
    for (std::size_t i = 0; i < kQ8KBlock; i += hn::Lanes(f)) {
      if (i % 16 == 0) prefetch_ahead(block + i, kPageAhead);  // once a cache line
      const auto code = hn::Min(hn::Round(hn::Mul(factor, hn::LoadU(f, block + i))), largest_code);
      hn::StoreU(hn::Mul(without_negative_zero(code), scale), f, block + i);
    }
  }
  return count;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(round_blocks_of_q8_k);
}  // namespace

std::size_t round_to_q8_k(std::span<float> values) {
  return HWY_DYNAMIC_DISPATCH(round_blocks_of_q8_k)(values.data(), values.size());
}

}  // namespace fakequant
#endif
