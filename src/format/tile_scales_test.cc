// Tiles against a loop over their rows and columns.
#include "format/tile_scales.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/fake_quantize.h"
#include "format/integer_kernel.h"
#include "format/on_every_target.h"
#include "format/storage_bits.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

constexpr std::size_t kLength = 100, kMatrixRows = 13, kMatrices = 3;

std::vector<float> expected_of(const Format& format, std::vector<float> values) {
  const auto rows = static_cast<std::size_t>(format.tile.rows), columns = static_cast<std::size_t>(format.tile.columns);
  for (std::size_t m = 0; m < kMatrices; ++m) {
    for (std::size_t r = 0; r < kMatrixRows; r += rows) {
      for (std::size_t c = 0; c < kLength; c += columns) {
        std::vector<float*> tile;
        ValueRange range;
        for (std::size_t i = r; i < std::min(r + rows, kMatrixRows); ++i) {
          for (std::size_t j = c; j < std::min(c + columns, kLength); ++j) {
            tile.push_back(&values[(m * kMatrixRows + i) * kLength + j]);
            if (std::isfinite(*tile.back())) range.widen({*tile.back(), *tile.back()});
          }
        }
        const auto scale = static_scale(format, range);
        for (auto* x : tile) {
          *x = has_integer_scale(format) ? round_to_integer(scale.integer, format.rounding, *x).value
                                         : round_to_scaled(format.element, scale.floating, format.rounding, *x).value;
        }
      }
    }
  }
  return values;
}

TEST(TileScales, AreThoseOfRowsAndColumns) {
  auto values = normal_floats(kLength * kMatrixRows * kMatrices, 8);
  for (std::size_t i = 0; i < values.size(); i += 77) values[i] *= 50;
  values[5] = NAN;
  values[6] = INFINITY;
  for (const char* text : {"e4m3,tile=4x32", "int4,tile=5x7,mode=asym", "e2m1,tile=128x128,scale=e8m0", "nf4,tile=1x64",
                           "int8,tile=13x1,scale=f16", "e5m2,tile=2x100,round=zero,arithmetic=reciprocal",
                           "e4m3,tile=16x16,arithmetic=factor,margin=1"}) {
    const auto format = parse_format(text);
    const auto expected = expected_of(format, values);
    on_every_target([&] {
      TileScales scales(format, kLength, kMatrixRows, kMatrixRows * kMatrices);
      // In pieces that end anywhere, the last of them first.
      constexpr std::size_t kPiece = 5;
      for (std::size_t begin = kMatrixRows * kMatrices / kPiece * kPiece + kPiece; begin > 0;) {
        begin -= kPiece;
        if (begin >= kMatrixRows * kMatrices) continue;
        const auto count = std::min(kPiece, kMatrixRows * kMatrices - begin);
        scales.look(std::span(values).subspan(begin * kLength, count * kLength), static_cast<std::int64_t>(begin));
      }
      scales.end(format);
      auto rounded = values;
      for (std::size_t begin = 0; begin < values.size(); begin += 7 * kLength) {
        const auto part = std::span(rounded).subspan(begin, std::min(7 * kLength, values.size() - begin));
        round_values(format, part, {.row = kLength, .tiles = &scales, .first = begin});
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same(rounded[i] + 0.0f, expected[i] + 0.0f)) << text << " " << i;
      }
    });
  }
}

TEST(TileScales, OfOneMatrixAreFoundAsItIsRounded) {
  const auto values = normal_floats(kLength * kMatrixRows, 9);
  for (const char* text : {"e4m3,tile=4x32", "int8,tile=4x32,rotate=hadamard"}) {
    const auto format = parse_format(text);
    auto rotated = values;
    if (is_rotated(format)) rotate_rows(format.rotation, Turn::forward, rotated, kLength);
    TileScales scales(format, kLength, kMatrixRows, kMatrixRows);
    scales.look(rotated, 0);
    scales.end(format);
    auto given = values, found = values;
    const auto errors = fake_quantize(format, given, {.row = kLength, .tiles = &scales});
    EXPECT_EQ(fake_quantize(format, found, {.row = kLength}).sum_error2, errors.sum_error2);
    EXPECT_EQ(given, found);
    EXPECT_GT(errors.changed, 0);
  }
}

TEST(TileScales, CountInTheBitsOfAModel) {
  const auto format = parse_format("e4m3,tile=4x32");
  EXPECT_EQ(storage_bits(format, {13, 100}, ScaledAs::weight), 1300 * 8 + 4 * 4 * 32);
  EXPECT_EQ(storage_bits(format, {39, 100, 13}, ScaledAs::weight), 3900 * 8 + 3 * 4 * 4 * 32);
}

}  // namespace
}  // namespace fakequant
