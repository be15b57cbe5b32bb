#include "measure/token_errors.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

TokenLayout layout(std::int64_t inner, std::vector<std::uint64_t> positions, std::int64_t outer = 1) {
  return {inner, static_cast<std::int64_t>(positions.size()), outer, inner, std::move(positions)};
}

TEST(TokenErrors, KeepTheFirstTokenApart) {
  TokenErrors errors;
  // Tokens of two values; the first is a thousand times as large, and has an error of 50 %.
  const std::vector<float> baseline = {3000, 4000, 3, 4, 3, 4, 3, 4};
  const std::vector<float> variant = {4500, 2000, 3, 4.5F, 3, 4, 3, 5};
  errors.add(baseline, variant, layout(2, {0, 1, 2, 3}), 1);
  const auto figures = errors.figures();
  EXPECT_DOUBLE_EQ(figures.first, 0.5);
  EXPECT_DOUBLE_EQ(figures.median, 0.1);
  EXPECT_NEAR(figures.p90, 0.18, 1e-12);  // 0, 0.1, 0.2
  EXPECT_GT(figures.first_share, 0.99999);
}

TEST(TokenErrors, FollowTheLayout) {
  // Two heads of three tokens: the values of token t are at t and t + 3.
  TokenErrors errors;
  const std::vector<float> baseline = {1, 3, 1, 1, 4, 1}, variant = {1, 3, 2, 1, 9, 1};
  errors.add(baseline, variant, layout(1, {5, 6, 7}, 2), 1);
  const auto figures = errors.figures();
  EXPECT_DOUBLE_EQ(figures.median, std::sqrt(0.5));  // 0, 1, sqrt(1 / 2)
  EXPECT_TRUE(std::isnan(figures.first));
  EXPECT_EQ(figures.first_share, 0);
}

TEST(TokenErrors, DoNotDependOnThreads) {
  std::vector<float> baseline(640), variant(640);
  for (std::size_t i = 0; i < baseline.size(); ++i) {
    baseline[i] = static_cast<float>(i % 17) + 1;
    variant[i] = baseline[i] * (1 + static_cast<float>(i % 5) / 64);
  }
  std::vector<std::uint64_t> positions;
  for (std::uint64_t p = 0; p < 64; ++p) positions.push_back(p);
  TokenErrors one, two;
  one.add(baseline, variant, layout(10, positions), 1);
  two.add(baseline, variant, layout(10, positions), 2);
  EXPECT_EQ(one.figures().median, two.figures().median);
  EXPECT_EQ(one.figures().first, two.figures().first);
}

}  // namespace
}  // namespace fakequant
