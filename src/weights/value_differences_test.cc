#include "weights/value_differences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

// The definition, pair by pair.
ValueDifferences one_by_one(const std::vector<float>& a, const std::vector<float>& b) {
  ValueDifferences d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
    d.changed += !both_nan && std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]);
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    const double error = std::fabs(x - y);
    if (!std::isfinite(error)) {
      d.not_finite += !both_nan && a[i] != b[i];
      continue;
    }
    d.max_abs = std::max(d.max_abs, error);
    if (x != 0) d.max_rel = std::max(d.max_rel, error / std::fabs(x));
    d.sum_abs += error;
    d.sum_error2 += error * error;
    d.sum_a2 += x * x;
    d.sum_b2 += y * y;
    d.sum_ab += x * y;
  }
  return d;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
  const auto expected = one_by_one(a, b);
  on_every_target([&] {
    const auto found = value_differences(a, b);
    EXPECT_EQ(found.changed, expected.changed);
    EXPECT_EQ(found.not_finite, expected.not_finite);
    EXPECT_EQ(found.max_abs, expected.max_abs);
    EXPECT_EQ(found.max_rel, expected.max_rel);
    const double size = std::sqrt(expected.sum_a2 * expected.sum_b2);
    EXPECT_NEAR(found.sum_abs, expected.sum_abs, 1e-12 * expected.sum_abs);
    EXPECT_NEAR(found.sum_error2, expected.sum_error2, 1e-12 * expected.sum_error2);
    EXPECT_NEAR(found.sum_a2, expected.sum_a2, 1e-12 * expected.sum_a2);
    EXPECT_NEAR(found.sum_b2, expected.sum_b2, 1e-12 * expected.sum_b2);
    EXPECT_NEAR(found.sum_ab, expected.sum_ab, 1e-12 * size);
  });
}

TEST(ValueDifferences, AreThoseOfThePairsOneByOneOnEveryTarget) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal(0, 1);
  for (const std::size_t count : {0u, 1u, 7u, 8u, 1000u, 40000u}) {
    std::vector<float> a(count), b(count);
    for (std::size_t i = 0; i < count; ++i) {
      a[i] = normal(random);
      b[i] = i % 3 == 0 ? a[i] : a[i] + 1e-3f * normal(random);
    }
    expect_same(a, b);
    expect_same(a, a);
    std::sort(a.begin(), a.end());  // so that the relative error grows and grows
    std::sort(b.begin(), b.end());
    expect_same(a, b);
  }
}

TEST(ValueDifferences, LeaveOutWhatIsNotFinite) {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN(),
                  most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  const std::vector<float> special = {0.0f, -0.0f, 1.0f, inf, -inf, nan, -nan, most, -most, least, -least, 0x1p-126f};
  std::vector<float> a, b;
  for (const float x : special) {
    for (const float y : special) {
      expect_same({x}, {y});
      a.push_back(x);
      b.push_back(y);
    }
  }
  // The largest floats' squares leave no room for the others' sums: only what is no sum is compared.
  const auto expected = one_by_one(a, b);
  on_every_target([&] {
    const auto found = value_differences(a, b);
    EXPECT_EQ(found.changed, expected.changed);
    EXPECT_EQ(found.max_abs, expected.max_abs);
    EXPECT_EQ(found.max_rel, expected.max_rel);
  });
}

}  // namespace
}  // namespace fakequant
