// Shared by the kernels of matrix products: rows of a factor, packed so that a tile reads them in order.
//
// Compiled once for each instruction set: it is included inside Highway's foreach_target, and has no include guard of
// the usual kind.
#if defined(FAKEQUANT_ENGINE_PACK_FACTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAKEQUANT_ENGINE_PACK_FACTOR_INL_H_
#undef FAKEQUANT_ENGINE_PACK_FACTOR_INL_H_
#else
#define FAKEQUANT_ENGINE_PACK_FACTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/matrix_product.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Packs four values along k, from the k-th on, of four rows.
template <std::int64_t columns>
void pack_square(const std::array<const float*, 4>& rows, std::int64_t k, float* packed) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) packed[j * columns + static_cast<std::int64_t>(i)] = rows[i][k + j];
  }
#else
  const hn::FixedTag<float, 4> d;
  const auto a = hn::LoadU(d, rows[0] + k), b = hn::LoadU(d, rows[1] + k);
  const auto c = hn::LoadU(d, rows[2] + k), e = hn::LoadU(d, rows[3] + k);
  const auto ab_low = hn::InterleaveLower(d, a, b), ce_low = hn::InterleaveLower(d, c, e);
  const auto ab_high = hn::InterleaveUpper(d, a, b), ce_high = hn::InterleaveUpper(d, c, e);
  hn::StoreU(hn::ConcatLowerLower(d, ce_low, ab_low), d, packed);
  hn::StoreU(hn::ConcatUpperUpper(d, ce_low, ab_low), d, packed + columns);
  hn::StoreU(hn::ConcatLowerLower(d, ce_high, ab_high), d, packed + 2 * columns);
  hn::StoreU(hn::ConcatUpperUpper(d, ce_high, ab_high), d, packed + 3 * columns);
#endif
}

// Packs four rows as four columns of [k][columns], `length` values along k.
template <std::int64_t columns>
void pack_four(const std::array<const float*, 4>& rows, std::int64_t length, float* packed) {
  std::int64_t k = 0;
  for (; k + 4 <= length; k += 4) pack_square<columns>(rows, k, packed + k * columns);
  for (; k < length; ++k) {
    for (std::size_t i = 0; i < 4; ++i) packed[k * columns + static_cast<std::int64_t>(i)] = rows[i][k];
  }
}

// Packs rows of the second factor as [k][columns], `length` values along k. Columns beyond `rows` are zero.
template <std::int64_t columns>
void pack_factor(const FactorRows& from, std::int64_t rows, std::int64_t length, float* packed) {
  const auto value = [&](std::int64_t row, std::int64_t k) {
    return row < rows ? from.values[row * from.stride + k] : 0;
  };
  std::int64_t row = 0;
  for (; row + 4 <= std::min(rows, columns); row += 4) {
    const auto* first = from.values + row * from.stride;
    pack_four<columns>({first, first + from.stride, first + 2 * from.stride, first + 3 * from.stride}, length,
                       packed + row);
  }
  if (row == columns) return;
  for (std::int64_t k = 0; k < length; ++k) {
    for (auto r = row; r < columns; ++r) packed[k * columns + r] = value(r, k);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#endif
