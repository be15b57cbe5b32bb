#include "engine/accumulated_product.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "format/reference.h"
#include "parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/accumulated_product.cc"
#include <hwy/foreach_target.h>
//
#include "engine/pack_factor-inl.h"
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

constexpr std::int64_t kVectors = 2;
constexpr std::int64_t kLanes = hn::MaxLanes(F());
constexpr std::int64_t kColumns = kVectors * kLanes;  // results of a tile for one input
constexpr std::int64_t kRows = 4;  // inputs of a tile: their sums, and what rounds them, fill registers

Floats fused_multiply_add(Floats a, Floats b, Floats c) {
#if HWY_NATIVE_FMA
  return hn::MulAdd(a, b, c);
#else
  const F f;
  HWY_ALIGN std::array<float, kLanes> x, y, z;
  hn::Store(a, f, x.data());
  hn::Store(b, f, y.data());
  hn::Store(c, f, z.data());
  for (std::size_t i = 0; i < x.size(); ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(f, z.data());
#endif
}

// Rounds to an accumulator with float32's exponents. A value that rounds beyond the largest carries into the exponent
// of infinity.
class ToUpperBitsOfSums {
 public:
  explicit ToUpperBitsOfSums(const Element& element) {
    cut_.dropped = 23 - element.mantissa_bits;
    cut_.mask = hn::Set(U(), (1u << cut_.dropped) - 1);
    cut_.half = hn::Set(U(), 1u << (cut_.dropped - 1));
  }

  Floats operator()(Floats x) const {
    const F f;
    const auto bits = hn::BitCast(U(), hn::Abs(x));
    const auto sum = with_carry<Rounding::nearest>(cut_, bits, hn::MaskFromVec(hn::Zero(f)), hn::Zero(U()));
    const auto rounded = hn::CopySignToAbs(hn::BitCast(f, hn::AndNot(cut_.mask, sum)), x);
    return hn::IfThenElse(hn::Eq(x, x), rounded, quiet(x));
  }

 private:
  UpperBitsCut cut_;
};

// Rounds to an accumulator with fewer exponents.
class ToGridOfSums {
 public:
  explicit ToGridOfSums(const Element& element) : grid_(element) {}

  Floats operator()(Floats x) const {
    const F f;
    const auto magnitude = hn::Min(hn::Abs(x), grid_.cap);
    const auto on_grid = grid_.round<Rounding::nearest>(magnitude, hn::MaskFromVec(hn::Zero(f)), hn::Zero(U()));
    const auto infinity = hn::Set(f, std::numeric_limits<float>::infinity());
    const auto rounded = hn::CopySignToAbs(hn::IfThenElse(hn::Gt(on_grid, grid_.largest), infinity, on_grid), x);
    return hn::IfThenElse(hn::Eq(x, x), rounded, quiet(x));
  }

 private:
  Grid grid_;
};

struct TileInputs {
  std::array<const float*, kRows> rows;
  std::int64_t step;
};

// The sums of a tile. `factor` is packed [k][kColumns].
template <std::int64_t kInputs, typename Round>
HWY_NOINLINE void sum_tile(const TileInputs& inputs, const float* HWY_RESTRICT factor, std::int64_t length,
                           std::int64_t every, Round round, float* HWY_RESTRICT sums_of_tile) {
  const F f;
  Floats sums[kInputs][kVectors];
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(f);
  }
  for (std::int64_t k = 0; k < length;) {
    for (const auto end = k + std::min(every, length - k); k < end; ++k) {
      const auto left = hn::LoadU(f, factor + k * kColumns), right = hn::LoadU(f, factor + k * kColumns + kLanes);
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < kInputs; ++i) {
        const auto input = hn::Set(f, inputs.rows[static_cast<std::size_t>(i)][k * inputs.step]);
        sums[i][0] = fused_multiply_add(input, left, sums[i][0]);
        sums[i][1] = fused_multiply_add(input, right, sums[i][1]);
      }
    }
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kVectors; ++v) sums[i][v] = round(sums[i][v]);
    }
  }
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectors; ++v) hn::StoreU(sums[i][v], f, sums_of_tile + i * kColumns + v * kLanes);
  }
}

// The results of up to kColumns outputs, for all inputs.
template <typename Round>
void accumulate_with(const MatrixProduct& product, const float* packed, std::int64_t length, std::int64_t first,
                     std::int64_t count, std::int64_t every, const Round& round) {
  const auto inputs = static_cast<std::int64_t>(product.inputs.size());
  HWY_ALIGN std::array<float, kRows * kColumns> sums;
  for (std::int64_t i = 0; i < inputs; i += kRows) {
    const auto rows = std::min(kRows, inputs - i);
    TileInputs tile{{}, product.input_step};
    std::copy_n(product.inputs.begin() + i, rows, tile.rows.begin());
    if (rows == kRows) {
      sum_tile<kRows>(tile, packed, length, every, round, sums.data());
    } else {
      for (std::int64_t r = 0; r < rows; ++r) {
        const TileInputs one{{tile.rows[static_cast<std::size_t>(r)]}, product.input_step};
        sum_tile<1>(one, packed, length, every, round, sums.data() + r * kColumns);
      }
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(sums.data() + r * kColumns, count, product.results[static_cast<std::size_t>(i + r)] + first);
    }
  }
}

void accumulate_outputs(const MatrixProduct& product, std::int64_t length, std::int64_t first, std::int64_t count,
                        const Element& element, std::int64_t every) {
  static thread_local std::vector<float> rows, packed;
  rows.resize(static_cast<std::size_t>(kColumns * length));
  packed.resize(static_cast<std::size_t>(kColumns * length));
  pack_factor<kColumns>(product.factor(first, count, rows.data()), count, length, packed.data());
  if (element.exponent_bits == 8) {
    accumulate_with(product, packed.data(), length, first, count, every, ToUpperBitsOfSums(element));
  } else {
    accumulate_with(product, packed.data(), length, first, count, every, ToGridOfSums(element));
  }
}

std::int64_t columns_together() { return kColumns; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(columns_together);
HWY_EXPORT(accumulate_outputs);

}  // namespace

void multiply_accumulated(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs,
                          const FloatAccumulator& accumulator, int threads) {
  const auto element = element_of(accumulator);
  const auto columns = HWY_DYNAMIC_DISPATCH(columns_together)();
  const auto tasks = (outputs + columns - 1) / columns;
  parallel_for(tasks * static_cast<std::int64_t>(products.size()), threads, [&](std::int64_t task) {
    const auto first = task % tasks * columns;
    HWY_DYNAMIC_DISPATCH(accumulate_outputs)
    (products[static_cast<std::size_t>(task / tasks)], length, first, std::min(columns, outputs - first), element,
     accumulator.every);
  });
}

}  // namespace fakequant
#endif
