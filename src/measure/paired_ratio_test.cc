#include "measure/paired_ratio.h"

#include <gtest/gtest.h>

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

TEST(PairedRatio, IsTheSameForTheSameTimes) {
  const std::vector<double> a = {1, 2, 3, 4, 5}, b = {2, 3, 1, 5, 4};
  EXPECT_EQ(paired_ratio(a, b).low, paired_ratio(a, b).low);
  EXPECT_EQ(paired_ratio(a, a).high, 1);
}

}  // namespace
}  // namespace fakequant
