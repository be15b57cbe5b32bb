#include "weights/double_products.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weights/double_products.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Doubles = hn::CappedTag<double, 8>;

constexpr std::int64_t kDoubleLanes = hn::MaxLanes(Doubles());
constexpr std::int64_t kPanelVectors = kGramPanel / kDoubleLanes;
constexpr std::int64_t kTileRows = 4;  // whose sums stay in registers

// Columns `first` to first + kTileRows of one panel with all columns of another.
void add_gram_tile(const double* HWY_RESTRICT left, const double* HWY_RESTRICT right, std::int64_t rows,
                   std::int64_t stride, double* HWY_RESTRICT sums) {
  const Doubles d;
  hn::Vec<Doubles> tile[kTileRows][kPanelVectors];
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kPanelVectors; ++v) tile[i][v] = hn::LoadU(d, sums + i * stride + v * kDoubleLanes);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    hn::Vec<Doubles> values[kPanelVectors];
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kPanelVectors; ++v)
      values[v] = hn::LoadU(d, right + r * kGramPanel + v * kDoubleLanes);
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kTileRows; ++i) {
      const auto x = hn::Set(d, left[r * kGramPanel + i]);
      // The product is exact: a fused addition rounds as a separate one does.
#pragma GCC unroll 8
      for (std::int64_t v = 0; v < kPanelVectors; ++v) tile[i][v] = hn::MulAdd(x, values[v], tile[i][v]);
    }
  }
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kPanelVectors; ++v) hn::StoreU(tile[i][v], d, sums + i * stride + v * kDoubleLanes);
  }
}

void GramPanel(std::span<const double> packed, std::int64_t rows, std::int64_t panel, double* sums) {
  const auto size = rows * kGramPanel;
  const auto stride = (panel + 1) * kGramPanel;
  for (std::int64_t other = 0; other <= panel; ++other) {
    for (std::int64_t i = 0; i < kGramPanel; i += kTileRows) {
      add_gram_tile(packed.data() + panel * size + i, packed.data() + other * size, rows, stride,
                    sums + i * stride + other * kGramPanel);
    }
  }
}

// A tile of targets, kRowsOfTile rows and kVectorsOfTile vectors wide, all of it there.
template <std::int64_t kRowsOfTile, std::int64_t kVectorsOfTile>
void subtract_tile(const RowProducts& p, std::int64_t row, std::int64_t column) {
  const Doubles d;
  hn::Vec<Doubles> tile[kRowsOfTile][kVectorsOfTile];
  double* target = p.targets + row * p.target_stride + column;
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kRowsOfTile; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectorsOfTile; ++v) {
      tile[i][v] = hn::LoadU(d, target + i * p.target_stride + v * kDoubleLanes);
    }
  }
  const double* factors = p.factors + row * p.factor_stride;
  for (std::int64_t s = 0; s < p.source_count; ++s) {
    const double* source = p.sources + s * p.source_stride + column;
    hn::Vec<Doubles> values[kVectorsOfTile];
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectorsOfTile; ++v) values[v] = hn::LoadU(d, source + v * kDoubleLanes);
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kRowsOfTile; ++i) {
      const auto factor = hn::Set(d, factors[i * p.factor_stride + s]);
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kVectorsOfTile; ++v) tile[i][v] = hn::Sub(tile[i][v], hn::Mul(factor, values[v]));
    }
  }
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kRowsOfTile; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectorsOfTile; ++v) {
      hn::StoreU(tile[i][v], d, target + i * p.target_stride + v * kDoubleLanes);
    }
  }
}

template <std::int64_t kRowsOfTile>
void subtract_rows(const RowProducts& p, std::int64_t row) {
  std::int64_t column = 0;
  for (; column + 2 * kDoubleLanes <= p.columns; column += 2 * kDoubleLanes) {
    subtract_tile<kRowsOfTile, 2>(p, row, column);
  }
  for (; column + kDoubleLanes <= p.columns; column += kDoubleLanes) subtract_tile<kRowsOfTile, 1>(p, row, column);
  for (; column < p.columns; ++column) {
    for (std::int64_t i = row; i < row + kRowsOfTile; ++i) {
      double value = p.targets[i * p.target_stride + column];
      for (std::int64_t s = 0; s < p.source_count; ++s) {
        value -= p.factors[i * p.factor_stride + s] * p.sources[s * p.source_stride + column];
      }
      p.targets[i * p.target_stride + column] = value;
    }
  }
}

void SubtractRowProducts(const RowProducts& p) {
  std::int64_t row = 0;
  for (; row + kTileRows <= p.target_count; row += kTileRows) subtract_rows<kTileRows>(p, row);
  for (; row < p.target_count; ++row) subtract_rows<1>(p, row);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {

HWY_EXPORT(GramPanel);
HWY_EXPORT(SubtractRowProducts);

void add_gram_panel(std::span<const double> packed, std::int64_t rows, std::int64_t panel, double* sums) {
  HWY_DYNAMIC_DISPATCH(GramPanel)(packed, rows, panel, sums);
}

void subtract_row_products(const RowProducts& products) { HWY_DYNAMIC_DISPATCH(SubtractRowProducts)(products); }

}  // namespace fakequant
#endif
