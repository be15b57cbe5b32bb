// Fake quantization: every value is replaced by the value of the code that it rounds to, as a float.
//
// All weights and activations are rounded through these functions, whatever the format. fake_quantize() also computes
// the statistics of the rounding in the same pass.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "format/format.h"
#include "format/random_words.h"
#include "format/rounding_errors.h"
#include "format/scale_search.h"
#include "format/tile_scales.h"

namespace fakequant {

// The values' position and context, for the formats that need them.
struct Placement {
  std::int64_t row = 0;                   // values in a row; 0: all values are one row
  std::optional<SharedScale> scale = {};  // of a larger group that includes these values, or of a static range; left
                                          // out: these values are the group
  const TileScales* tiles = nullptr;  // of a tensor, for tile=; row `first` / `row` is the first; null: these rows are
                                      // a matrix
  RandomStream random = {};           // random roundings: the stream of the random words,
  std::uint64_t first = 0;            // and the index of the first value in it
  std::span<const float> column_factors = {};  // smooth= and awq=: of the columns of a row, or of several
                                               // rows in turn, the first value's first
  std::span<const float> importance = {};      // block types: a weight for each column, or nothing
};

// Rounds the values in place. They must be whole rows if the format needs_whole_rows(). Returns how many values
// saturated. Single-threaded: callers divide the values among threads.
std::int64_t round_values(const Format& format, std::span<float> values, const Placement& placement = {});

// Rounds the values in place and returns the statistics, which depend only on the values and their order.
RoundingErrors fake_quantize(const Format& format, std::span<float> values, const Placement& placement = {});

// Why the format cannot hold rows of this many values: block types and rotations need whole blocks. Empty if it can.
std::string row_misfit(const Format& format, std::int64_t row);

// Throws a usage error if the format cannot hold rows of this many values.
void check_row(const Format& format, std::int64_t row);

}  // namespace fakequant
