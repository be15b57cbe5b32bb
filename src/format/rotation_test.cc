// Rotations against the matrices that they stand for, written here as such.
#include "format/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/on_every_target.h"
#include "format/random_words.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

constexpr double kUlp = 0x1p-24;  // half an ulp of 1

// Row i and column j of Sylvester's matrix: -1 to the number of bits that both have.
double hadamard(std::size_t i, std::size_t j) { return std::popcount(i & j) % 2 == 0 ? 1 : -1; }

double sum_of_squares(std::span<const float> values) {
  double sum = 0;
  for (const double x : values) sum += x * x;
  return sum;
}

std::vector<float> rotated(const Rotation& rotation, Turn turn, std::vector<float> values, std::int64_t row) {
  rotate_rows(rotation, turn, values, row);
  return values;
}

TEST(Rotation, EqualsTheProductWithItsMatrix) {
  for (std::int64_t block = 2; block <= 1024; block *= 2) {
    const auto n = static_cast<std::size_t>(block);
    for (const auto kind : {Rotation::hadamard, Rotation::random}) {
      const Rotation rotation{kind, block, 11};
      const auto columns = 3 * n;
      const auto row = normal_floats(columns, 1 + static_cast<std::uint32_t>(block), 3);
      const auto result = rotated(rotation, Turn::forward, row, static_cast<std::int64_t>(columns));
      const double bound = kUlp * (std::log2(block) + 2) * std::sqrt(sum_of_squares(row));
      for (std::size_t i = 0; i < columns; ++i) {
        double expected = 0;
        for (std::size_t j = 0; j < n; ++j) {
          const auto at = i / n * n + j;
          const auto word = random_word({random_key(11, "rotate"), 0}, at / 32);
          const double sign = kind == Rotation::random && (word >> (at % 32) & 1) != 0 ? -1 : 1;
          expected += hadamard(i % n, j) * sign * row[at];
        }
        EXPECT_NEAR(result[i], expected / std::sqrt(static_cast<double>(n)), bound) << block << " " << i;
      }
    }
  }
}

// Of every size, and of rows that several blocks are in.
TEST(Rotation, HasTheBitsOfTheReferenceOnEveryTarget) {
  for (const std::int64_t row : {2, 4, 8, 16, 32, 64, 96, 160, 256, 512, 576, 1024, 2048, 4096, 8192, 65536}) {
    for (const auto kind : {Rotation::hadamard, Rotation::random}) {
      for (const auto turn : {Turn::forward, Turn::back}) {
        const Rotation rotation{kind, 0, 5};
        auto values = normal_floats(static_cast<std::size_t>(2 * row), 7, 100);
        for (std::size_t i = 0; i < values.size(); i += 5) values[i] *= 0x1p-20f;
        auto expected = values;
        const auto columns = static_cast<std::size_t>(row);
        const auto block = static_cast<std::size_t>(rotated_block(rotation, row));
        std::vector<std::uint32_t> signs((columns + 31) / 32);
        fill_signs(rotation, signs);
        for (std::size_t at = 0; at < values.size(); at += block) {
          rotate_block_reference(std::span(expected).subspan(at, block), turn, at % columns,
                                 kind == Rotation::random ? signs.data() : nullptr);
        }
        on_every_target([&] {
          const auto result = rotated(rotation, turn, values, row);
          EXPECT_TRUE(std::equal(result.begin(), result.end(), expected.begin(), same)) << row;
        });
      }
    }
  }
}

TEST(Rotation, IsUndoneAndKeepsTheSumOfSquares) {
  for (const std::int64_t row : {2, 48, 128, 576, 4096, 16384}) {
    for (const auto kind : {Rotation::hadamard, Rotation::random}) {
      const Rotation rotation{kind, 0, 3};
      const auto values = normal_floats(static_cast<std::size_t>(4 * row), 9, 2);
      const auto there = rotated(rotation, Turn::forward, values, row);
      const auto back = rotated(rotation, Turn::back, there, row);
      const double steps = std::log2(static_cast<double>(rotated_block(rotation, row))) + 2;
      EXPECT_NEAR(sum_of_squares(there) / sum_of_squares(values), 1, 2 * steps * kUlp);
      double errors = 0;
      for (std::size_t i = 0; i < values.size(); ++i) errors += std::pow(static_cast<double>(back[i]) - values[i], 2);
      EXPECT_LE(std::sqrt(errors / sum_of_squares(values)), steps * kUlp) << row;
    }
  }
}

TEST(Rotation, SpreadsAnOutlierOverItsBlock) {
  std::vector<float> row(64);
  row[9] = 8;
  const auto result = rotated({Rotation::hadamard, 16}, Turn::forward, row, 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(std::fabs(result[i]), i < 16 ? 2 : 0);
}

TEST(Rotation, MakesABlockNaNThatIsNotFinite) {
  on_every_target([] {
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY, std::numeric_limits<float>::max()}) {
      for (const std::int64_t block : {4, 64}) {
        auto values = normal_floats(256, 3);
        values[130] = bad;
        values[131] = std::isfinite(bad) ? bad : 1;
        const auto result = rotated({Rotation::random, block, 1}, Turn::forward, values, 256);
        for (std::size_t i = 0; i < 256; ++i) {
          const bool is_bad = i / static_cast<std::size_t>(block) == 130 / static_cast<std::size_t>(block);
          EXPECT_EQ(std::isnan(result[i]), is_bad) << i << " " << bad;
        }
      }
    }
  });
}

TEST(Rotation, SaysWhichRowsItDoesNotFit) {
  EXPECT_EQ(rotation_misfit({}, 33), "");
  EXPECT_EQ(rotation_misfit({Rotation::hadamard, 64}, 128), "");
  EXPECT_NE(rotation_misfit({Rotation::hadamard, 64}, 96).find("in blocks of 64, which does not divide"),
            std::string::npos);
  EXPECT_NE(rotation_misfit({Rotation::random}, 33).find("no power of two divides them"), std::string::npos);
  EXPECT_EQ(rotated_block({Rotation::hadamard}, 576), 64);
  std::vector<float> values(33);
  EXPECT_THROW(round_values(parse_format("e4m3,rotate=hadamard"), values), Error);
}

// What a format with a rotation does is: rotate, round, rotate back.
TEST(Rotation, IsRoundedByTheRestOfTheFormat) {
  auto values = normal_floats(1024 * 40, 21);
  for (std::size_t i = 0; i < values.size(); i += 100) values[i] *= 30;
  for (const char* text : {"e4m3", "bf16,round=stochastic,seed=2", "int4,per=block,block=24", "int8", "nvfp4", "mxfp4",
                           "e2m1,per=tensor", "int4,per=row,range=percentile:99"}) {
    for (const char* rotate : {"hadamard", "hadamard:64", "random:9"}) {
      const auto plain = parse_format(text), with = parse_format(std::string(text) + ",rotate=" + rotate);
      Placement placement{.row = 1024, .random = {random_key(2, "site"), 0}, .first = 1024 * 64};
      auto expected = values;
      rotate_rows(with.rotation, Turn::forward, expected, 1024);
      const auto saturated = round_values(plain, expected, placement);
      rotate_rows(with.rotation, Turn::back, expected, 1024);
      on_every_target([&] {
        auto result = values, counted = values;
        EXPECT_EQ(round_values(with, result, placement), saturated);
        EXPECT_TRUE(std::equal(result.begin(), result.end(), expected.begin(), same)) << text << " " << rotate;
        const auto errors = fake_quantize(with, counted, placement);
        EXPECT_TRUE(std::equal(counted.begin(), counted.end(), expected.begin(), same));
        EXPECT_EQ(errors.saturated, saturated);
        const auto all = errors_between(values, expected);
        EXPECT_EQ(errors.changed, all.changed);
        EXPECT_EQ(errors.absmax, all.absmax);
        EXPECT_NEAR(errors.sum_error2, all.sum_error2, 1e-9 * all.sum_error2);
      });
    }
  }
}

}  // namespace
}  // namespace fakequant
