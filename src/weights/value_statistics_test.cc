#include "weights/value_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::Not;

std::vector<std::string> lossless(const std::vector<float>& values) {
  return lossless_formats(value_statistics(values));
}

TEST(ValueStatistics, FindsTheFormatsThatHoldEveryValue) {
  EXPECT_THAT(lossless({0.0f, -0.0f}), ElementsAre("bf16", "f16", "tf32", "e4m3", "e5m2", "mantissa0"));
  EXPECT_THAT(lossless({1.0f, 0.5f, 0.375f}), ElementsAre("bf16", "f16", "tf32", "e4m3", "e5m2", "mantissa1"));
  EXPECT_THAT(lossless({1.875f}), ElementsAre("bf16", "f16", "tf32", "e4m3", "mantissa3"));
  EXPECT_THAT(lossless({0x1.FFFFFEp100f}), ElementsAre());
  EXPECT_THAT(lossless({0x1p100f}), ElementsAre("bf16", "tf32", "mantissa0"));
}

TEST(ValueStatistics, KnowsEachFormatsLargestAndSmallest) {
  EXPECT_THAT(lossless({448.0f}), testing::Contains("e4m3"));
  EXPECT_THAT(lossless({480.0f}), Not(testing::Contains("e4m3")));
  EXPECT_THAT(lossless({0x1p-9f}), testing::Contains("e4m3"));
  EXPECT_THAT(lossless({0x1p-10f}), Not(testing::Contains("e4m3")));
  EXPECT_THAT(lossless({57344.0f}), testing::Contains("e5m2"));
  EXPECT_THAT(lossless({65536.0f}), Not(testing::Contains("e5m2")));
  EXPECT_THAT(lossless({0x1p-16f}), testing::Contains("e5m2"));
  EXPECT_THAT(lossless({0x1p-17f}), Not(testing::Contains("e5m2")));
  EXPECT_THAT(lossless({65504.0f}), testing::Contains("f16"));
  EXPECT_THAT(lossless({65520.0f}), Not(testing::Contains("f16")));
  EXPECT_THAT(lossless({0x1p-24f}), testing::Contains("f16"));
  EXPECT_THAT(lossless({0x1p-25f}), Not(testing::Contains("f16")));
  EXPECT_THAT(lossless({0x1p-133f}), testing::Contains("bf16"));  // the smallest subnormal
  EXPECT_THAT(lossless({0x1p-134f}), Not(testing::Contains("bf16")));
  EXPECT_THAT(lossless({INFINITY}), ElementsAre("bf16", "f16", "tf32", "e5m2", "mantissa0"));
}

TEST(ValueStatistics, CountsLowHalvesAndMantissaBits) {
  const auto s = value_statistics(std::vector<float>{1.0f, 1.0f + 0x1p-23f, 1.0f + 0x1p-7f, 3.0f});
  EXPECT_EQ(s.low16_zero, 3);
  EXPECT_EQ(mantissa_bits(s), 23);
  EXPECT_EQ(mantissa_bits(value_statistics(std::vector<float>{1.0f, 1.5f})), 1);
  EXPECT_EQ(mantissa_bits(value_statistics(std::vector<float>{0.0f, 8.0f})), 0);
}

TEST(ValueStatistics, LeavesOutWhatIsNotFinite) {
  const auto s = value_statistics(std::vector<float>{NAN, INFINITY, -INFINITY, 2.0f, 0.0f});
  EXPECT_EQ(s.nans, 1);
  EXPECT_EQ(s.infs, 2);
  EXPECT_EQ(s.zeros, 1);
  EXPECT_EQ(s.finite, 2);
  EXPECT_EQ(s.max, 2.0f);
  EXPECT_EQ(s.min, 0.0f);
  EXPECT_EQ(s.mean, 1.0);
}

// Of single values, which no vector is filled with.
ValueStatistics one_by_one(const std::vector<float>& values) {
  ValueStatistics sum;
  for (const float value : values) sum.add(value_statistics({&value, 1}));
  return sum;
}

TEST(ValueStatistics, AreThoseOfTheValuesOneByOneOnEveryTarget) {
  std::mt19937 random(6);
  // Floats of every kind: any bits; half-precision ones; zeros; a few that are subnormal.
  std::vector<std::vector<float>> samples(5, std::vector<float>(5000));
  for (std::size_t i = 0; i < 5000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    samples[0][i] = std::bit_cast<float>(bits);
    samples[1][i] = std::bit_cast<float>(bits & 0xBFFFE000u);
    samples[2][i] = i % 3 == 0 ? 0.0f : std::bit_cast<float>((bits & 0x83FFFFFFu) | 0x3C000000u);
    samples[3][i] =
        i % 1000 == 7 ? std::bit_cast<float>(bits & 0x807FFFFFu) : std::ldexp(1.0f, static_cast<int>(bits % 200) - 100);
    samples[4][i] = -0.0f;
  }
  for (const auto& values : samples) {
    const auto expected = one_by_one(values);
    on_every_target([&] {
      const auto found = value_statistics(values);
      EXPECT_EQ(found.values, expected.values);
      EXPECT_EQ(found.finite, expected.finite);
      EXPECT_EQ(found.zeros, expected.zeros);
      EXPECT_EQ(found.nans, expected.nans);
      EXPECT_EQ(found.infs, expected.infs);
      EXPECT_EQ(found.low16_zero, expected.low16_zero);
      EXPECT_EQ(found.mantissa_used, expected.mantissa_used);
      EXPECT_EQ(found.max_significant_bits, expected.max_significant_bits);
      EXPECT_EQ(found.lowest_bit, expected.lowest_bit);
      EXPECT_EQ(found.min, expected.min);
      EXPECT_EQ(found.max, expected.max);
      EXPECT_NEAR(found.mean, expected.mean, 1e-9 * std::sqrt(expected.m2));
      EXPECT_NEAR(found.m2, expected.m2, 1e-9 * expected.m2);
      EXPECT_NEAR(found.m3, expected.m3, 1e-9 * std::pow(expected.m2, 1.5));
      EXPECT_NEAR(found.m4, expected.m4, 1e-9 * expected.m4);
    });
  }
}

TEST(ValueStatistics, OfPiecesAddUpToThoseOfTheWhole) {
  std::mt19937 random(5);
  std::gamma_distribution<float> skewed(2, 3);
  std::vector<float> values(10007);
  for (auto& value : values) value = skewed(random);
  const auto whole = value_statistics(values);
  ValueStatistics sum;
  for (std::size_t begin = 0; begin < values.size();) {
    const auto size = std::min<std::size_t>(1 + begin % 1000, values.size() - begin);
    sum.add(value_statistics(std::span(values).subspan(begin, size)));
    begin += size;
  }
  EXPECT_EQ(sum.values, whole.values);
  EXPECT_EQ(sum.min, whole.min);
  EXPECT_NEAR(sum.mean, whole.mean, 1e-12 * whole.mean);
  EXPECT_NEAR(sum.m2, whole.m2, 1e-10 * whole.m2);
  EXPECT_NEAR(sum.m3, whole.m3, 1e-9 * whole.m3);
  EXPECT_NEAR(sum.m4, whole.m4, 1e-9 * whole.m4);
}

}  // namespace
}  // namespace fakequant
