#include "weights/awq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fakequant {
namespace {

constexpr std::int64_t kColumns = 11;

std::vector<float> some_values(std::int64_t rows, float deviation) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(static_cast<std::size_t>(rows * kColumns));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal(random) * static_cast<float>(i % kColumns);
  return values;
}

std::vector<float> some_hessian() {
  GramSums sums(kColumns);
  sums.add(some_values(50, 2), 1);
  return sums.mean();
}

TEST(Awq, TakesPowersOfTheInputsMagnitudes) {
  const auto diagonal = diagonal_of(some_hessian());
  ASSERT_EQ(diagonal.size(), kColumns);
  EXPECT_EQ(diagonal[0], 0);
  for (const float s : awq_scales(diagonal, 0)) EXPECT_EQ(s, 1);
  for (const int step : {1, 10, 19}) {
    const double exponent = step / 20.0;
    const auto scales = awq_scales(diagonal, step);
    const double least = 1e-4, most = std::pow(diagonal[10], exponent / 2);  // the first input was always zero
    for (std::size_t j = 1; j < diagonal.size(); ++j) {
      const double expected = std::pow(diagonal[j], exponent / 2) / std::sqrt(least * most);
      EXPECT_NEAR(scales[j], expected, 1e-6 * expected) << step << " " << j;
    }
    EXPECT_NEAR(scales[0], std::sqrt(least / most), 1e-6);
  }
}

TEST(Awq, MeasuresTheErrorOfTheOutput) {
  const auto lower = some_hessian();
  const auto errors = some_values(7, 0.1f);
  GramSums sums(kColumns);
  sums.add(errors, 1);
  double expected = 0;
  const auto n = static_cast<std::size_t>(kColumns);
  for (std::size_t row = 0; row < errors.size(); row += n) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const auto a = std::max(i, j), b = std::min(i, j);
        expected += static_cast<double>(errors[row + i]) * static_cast<double>(errors[row + j]) *
                    static_cast<double>(lower[a * (a + 1) / 2 + b]);
      }
    }
  }
  EXPECT_NEAR(output_error(sums, lower), expected / 7, 1e-5 * expected);
}

}  // namespace
}  // namespace fakequant
