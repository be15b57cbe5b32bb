#include "format/tile_scales.h"

#include <algorithm>

#include "format/integer_kernel.h"

namespace fakequant {
namespace {

std::int64_t quotient_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

TileScales::TileScales(const Format& format, std::int64_t length, std::int64_t matrix_rows, std::int64_t rows)
    : length_(length),
      matrix_rows_(std::max<std::int64_t>(1, matrix_rows)),
      tile_rows_(format.tile.rows),
      tile_columns_(format.tile.columns),
      tiles_of_row_(static_cast<std::size_t>(quotient_up(length, format.tile.columns))) {
  ranges_.resize(rows == 0 ? 0 : first_tile_of(rows - 1) + tiles_of_row_);
}

std::size_t TileScales::first_tile_of(std::int64_t row) const {
  const auto band = row / matrix_rows_ * quotient_up(matrix_rows_, tile_rows_) + row % matrix_rows_ / tile_rows_;
  return static_cast<std::size_t>(band) * tiles_of_row_;
}

void TileScales::look(std::span<const float> values, std::int64_t first) {
  const auto length = static_cast<std::size_t>(length_), columns = static_cast<std::size_t>(tile_columns_);
  std::vector<ValueRange> ranges;  // of the tiles of the rows that lie in the same ones
  const auto rows = static_cast<std::int64_t>(values.size() / length);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row = values.subspan(static_cast<std::size_t>(i) * length, length);
    ranges.resize(tiles_of_row_);
    widen_ranges(row, columns, ranges);
    const auto tile = first_tile_of(first + i);
    if (i + 1 < rows && first_tile_of(first + i + 1) == tile) continue;
    const std::lock_guard lock(mutex_);
    for (std::size_t t = 0; t < tiles_of_row_; ++t) ranges_[tile + t].widen(ranges[t]);
    ranges.clear();
  }
}

void TileScales::end(const Format& format) {
  scales_.clear();
  for (const auto& range : ranges_) scales_.push_back(static_scale(format, range));
}

std::span<const SharedScale> TileScales::of_row(std::int64_t row) const {
  return std::span(scales_).subspan(first_tile_of(row), tiles_of_row_);
}

}  // namespace fakequant
