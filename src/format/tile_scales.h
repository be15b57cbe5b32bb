// The scales of tiles: R rows and C columns of a matrix that share a scale (tile=RxC).
//
// A tensor is rounded in pieces of some rows, and a tile's rows may be in several: so the scales of all tiles are found
// first, in one pass over the rows in any order.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "format/format.h"
#include "format/scale_search.h"

namespace fakequant {

class TileScales {
 public:
  // Of `rows` rows of `length` values. A matrix has `matrix_rows` of them, and tiles end where it does.
  TileScales(const Format& format, std::int64_t length, std::int64_t matrix_rows, std::int64_t rows);

  // Reads whole rows, the first of which is row `first`. Thread-safe.
  void look(std::span<const float> values, std::int64_t first);

  // Finds the scales, after all rows were read.
  void end(const Format& format);

  // Those of a row: one for each of its tiles, from left to right.
  std::span<const SharedScale> of_row(std::int64_t row) const;

 private:
  std::size_t first_tile_of(std::int64_t row) const;

  std::int64_t length_, matrix_rows_, tile_rows_, tile_columns_;
  std::size_t tiles_of_row_;
  std::mutex mutex_;
  std::vector<ValueRange> ranges_;
  std::vector<SharedScale> scales_;
};

}  // namespace fakequant
