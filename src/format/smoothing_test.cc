// Factors of columns against what they stand for, written here value by value.
#include "format/smoothing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "format/fake_quantize.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

std::vector<float> some_factors(std::size_t count) {
  std::vector<float> factors;
  for (std::size_t j = 0; j < count; ++j) factors.push_back(0.03f + 0.7f * static_cast<float>(j % 13));
  return factors;
}

TEST(Smoothing, TakesTheScalesOfItsFormula) {
  const std::vector<float> inputs = {100, 0.5f, 3, 0, 2, 1e-30f}, weights = {0.2f, 0.7f, 1, 0.3f, 0, 4};
  for (const double alpha : {0.0, 0.5, 0.85, 1.0}) {
    const auto scales = smoothing_scales(inputs, weights, alpha);
    ASSERT_EQ(scales.size(), inputs.size());
    for (std::size_t j = 0; j < 3; ++j) {
      const double expected = std::pow(inputs[j], alpha) * std::pow(weights[j], alpha - 1);
      EXPECT_NEAR(scales[j], expected, 1e-6 * expected) << alpha << " " << j;
    }
    EXPECT_EQ(scales[3], 1);  // nothing is known of the channel
    const double expected = std::pow(2, alpha) * std::pow(1e-5, alpha - 1);
    EXPECT_NEAR(scales[4], expected, 1e-6 * expected);
    EXPECT_GE(scales[5], 1e-5f);
  }
}

TEST(Smoothing, RaisesMagnitudesAndKeepsWhatIsNoNumber) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> absmax = {0, 2, 0, 1};
  raise_to_rows(absmax, std::vector<float>{-1, 1, kNan, 0.5f, 0.5f, -3, 7, -1});
  EXPECT_EQ(absmax[0], 1);
  EXPECT_EQ(absmax[1], 3);
  EXPECT_TRUE(std::isnan(absmax[2]));
  EXPECT_EQ(absmax[3], 1);
}

// A row is multiplied, then rotated, rounded, rotated back and divided, whatever is rounded together.
TEST(Smoothing, MultipliesBeforeRoundingAndDividesAfterwards) {
  constexpr std::int64_t kRow = 96;
  constexpr std::size_t kRows = 64;  // more than are transformed together
  const auto original = normal_floats(kRow * kRows, 7, 3);
  for (const auto* text : {"int8", "int8,per=tensor", "int4,per=block,block=32,mode=asym", "nvfp4", "mxfp4", "bf16",
                           "e4m3,tile=4x32", "int8,per=row,round=stochastic,seed=3", "nvfp4,rotate=random:1"}) {
    const auto format = parse_format(text);
    for (const std::size_t rows_of_factors : {1, 2, 3}) {
      const auto factors = some_factors(rows_of_factors * kRow);
      Placement placement{.row = kRow, .random = {9, 0}};
      auto expected = original;
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= factors[i % factors.size()];
      const auto saturated = round_values(format, expected, placement);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] /= factors[i % factors.size()];
      placement.column_factors = factors;
      auto rounded = original, counted = original;
      EXPECT_EQ(round_values(format, rounded, placement), saturated) << text;
      EXPECT_EQ(rounded, expected) << text << " " << rows_of_factors;
      const auto errors = fake_quantize(format, counted, placement);
      EXPECT_EQ(counted, expected) << text;
      const auto between = errors_between(original, expected);
      EXPECT_EQ(errors.changed, between.changed) << text;
      EXPECT_NEAR(errors.sum_error2, between.sum_error2, 1e-9 * between.sum_error2) << text;
      EXPECT_EQ(errors.saturated, saturated) << text;
    }
  }
}

}  // namespace
}  // namespace fakequant
