#include "measure/paired_ratio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fakequant {
namespace {

TEST(PairedRatio, FindsAFactorThroughDrift) {
  std::mt19937 random(2);
  std::uniform_real_distribution<double> drift(1, 3), noise(0.99, 1.01);
  std::vector<double> baseline, variant;
  for (int i = 0; i < 40; ++i) {
    const double speed = drift(random);
    baseline.push_back(speed * noise(random));
    variant.push_back(speed * 1.1 * noise(random));
  }
  const auto ratio = paired_ratio(variant, baseline);
  EXPECT_NEAR(ratio.median, 1.1, 0.01);
  EXPECT_LT(ratio.low, ratio.median);
  EXPECT_GT(ratio.high, ratio.median);
  EXPECT_GT(ratio.low, 1.08);
  EXPECT_LT(ratio.high, 1.12);
}

// The ranks of the interval's ends are those of the sign test's tables: 1 of 6, 2 of 9, 10 of 30.
TEST(PairedRatio, HasTheSignTestsInterval) {
  const auto ends = [](int count) {
    std::vector<double> times, ones(static_cast<std::size_t>(count), 1);
    for (int i = 1; i <= count; ++i) times.push_back(i);
    const auto ratio = paired_ratio(times, ones);
    return std::pair(ratio.low, ratio.high);
  };
  EXPECT_EQ(ends(kFewestPairs), std::pair(1.0, 6.0));
  EXPECT_EQ(ends(9), std::pair(2.0, 8.0));
  EXPECT_EQ(ends(30), std::pair(10.0, 21.0));
}

TEST(PairedRatio, HoldsTheTrueMedianAsOftenAsItSays) {
  std::mt19937 random(4);
  std::exponential_distribution<double> skewed;  // median log 2
  int held = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> times, ones(12, 1);
    for (std::size_t i = 0; i < ones.size(); ++i) times.push_back(skewed(random));
    const auto ratio = paired_ratio(times, ones);
    held += ratio.low <= std::log(2) && std::log(2) <= ratio.high ? 1 : 0;
  }
  EXPECT_GT(held, 0.95 * kTrials);
}

}  // namespace
}  // namespace fakequant
