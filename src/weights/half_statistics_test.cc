#include "weights/half_statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

ValueStatistics half_statistics(Half type, const std::vector<std::uint16_t>& codes) {
  ValueStatistics statistics;
  add_half_statistics(type, codes, statistics);
  return statistics;
}

void expect_same(Half type, const std::vector<std::uint16_t>& codes) {
  std::vector<float> values(codes.size());
  widen(type, codes.data(), values);
  const auto expected = value_statistics(values);
  const double deviation = expected.finite > 0 ? std::sqrt(expected.m2 / static_cast<double>(expected.finite)) : 0;
  on_every_target([&] {
    const auto found = half_statistics(type, codes);
    EXPECT_EQ(found.values, expected.values);
    EXPECT_EQ(found.finite, expected.finite);
    EXPECT_EQ(found.zeros, expected.zeros);
    EXPECT_EQ(found.nans, expected.nans);
    EXPECT_EQ(found.infs, expected.infs);
    EXPECT_EQ(found.mantissa_used, expected.mantissa_used);
    EXPECT_EQ(found.max_significant_bits, expected.max_significant_bits);
    EXPECT_EQ(found.lowest_bit, expected.lowest_bit);
    EXPECT_EQ(found.min, expected.min);
    EXPECT_EQ(found.max, expected.max);
    EXPECT_NEAR(found.mean, expected.mean, 1e-8 * deviation);
    EXPECT_NEAR(found.m2, expected.m2, 1e-7 * expected.m2);
    EXPECT_NEAR(found.m3, expected.m3, 1e-7 * std::pow(expected.m2, 1.5));
    EXPECT_NEAR(found.m4, expected.m4, 1e-7 * expected.m4);
  });
}

class HalfStatistics : public testing::TestWithParam<Half> {
 protected:
  // Normally distributed values, rounded to the type.
  std::vector<std::uint16_t> normal(std::size_t count, double mean, double deviation) {
    std::normal_distribution<double> distribution(mean, deviation);
    std::vector<float> values(count);
    for (auto& value : values) value = static_cast<float>(distribution(random_));
    std::vector<std::uint16_t> codes(count);
    narrow(GetParam(), values, codes.data());
    return codes;
  }

  std::mt19937 random_{7};
};

TEST_P(HalfStatistics, AreThoseOfTheWidenedValues) {
  for (const double deviation : {1e-6, 1e-3, 0.02, 1.0, 300.0}) expect_same(GetParam(), normal(80000, 0, deviation));
  for (const double mean : {0.01, 1.0, -100.0}) expect_same(GetParam(), normal(50000, mean, 0.02));
  for (const std::size_t count : {0u, 1u, 255u, 256u, 4095u, 4097u, 16640u, 40000u}) {
    expect_same(GetParam(), normal(count, 0, 0.02));
  }
}

TEST_P(HalfStatistics, DoNotErrToOneSide) {
  const auto codes = normal(1 << 20, 0, 0.1);
  std::vector<float> values(codes.size());
  widen(GetParam(), codes.data(), values);
  const auto expected = value_statistics(values);
  on_every_target([&] {
    const auto found = half_statistics(GetParam(), codes);
    EXPECT_NEAR(found.m2, expected.m2, 2e-9 * expected.m2);
    EXPECT_NEAR(found.m4, expected.m4, 4e-9 * expected.m4);
  });
}

TEST_P(HalfStatistics, CountZeros) {
  for (const int every : {2, 3, 1000, 30000}) {
    auto codes = normal(70000, 0, 0.02);
    for (std::size_t i = 0; i < codes.size(); i += static_cast<std::size_t>(every)) codes[i] = i % 4 == 0 ? 0x8000 : 0;
    expect_same(GetParam(), codes);
  }
}

TEST_P(HalfStatistics, FindWhatIsUnusualAnywhere) {
  const auto usual = normal(65536, 0, 0.02);
  const auto infinity = GetParam() == Half::f16 ? 0x7C00 : 0x7F80;
  for (const int code : {0, 0x8000, 1, 0x8001, infinity, infinity + 1, infinity | 0x8000, infinity - 1, 0xFFFF}) {
    for (const std::size_t at : {0u, 5000u, 20481u, 65535u}) {
      auto codes = usual;
      codes[at] = static_cast<std::uint16_t>(code);
      expect_same(GetParam(), codes);
    }
  }
}

TEST_P(HalfStatistics, OfAnyCodesAndOfFew) {
  std::vector<std::uint16_t> any(40000), few(40000), positive(40000);
  for (std::size_t i = 0; i < any.size(); ++i) {
    any[i] = static_cast<std::uint16_t>(random_());
    few[i] = static_cast<std::uint16_t>(0x3C00 | (random_() & 0x8300));
    positive[i] = static_cast<std::uint16_t>(0x3000 | (random_() & 0x0FFF));
  }
  for (const auto& codes : {few, positive}) expect_same(GetParam(), codes);
  // Infinities and all magnitudes: only what is counted can be compared.
  std::vector<float> values(any.size());
  widen(GetParam(), any.data(), values);
  const auto expected = value_statistics(values);
  on_every_target([&] {
    const auto found = half_statistics(GetParam(), any);
    EXPECT_EQ(found.finite, expected.finite);
    EXPECT_EQ(found.nans, expected.nans);
    EXPECT_EQ(found.lowest_bit, expected.lowest_bit);
    EXPECT_EQ(found.mantissa_used, expected.mantissa_used);
  });
}

INSTANTIATE_TEST_SUITE_P(Both, HalfStatistics, testing::Values(Half::f16, Half::bf16));

}  // namespace
}  // namespace fakequant
