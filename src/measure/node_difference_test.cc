#include "measure/node_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace fakequant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Pair {
  std::vector<float> a, b;
};

Pair some_values(std::size_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Pair pair;
  for (std::size_t i = 0; i < count; ++i) {
    pair.a.push_back(3 * normal(random));
    pair.b.push_back(i % 7 == 0 ? pair.a.back() : pair.a.back() + 0.01F * normal(random));
  }
  return pair;
}

TEST(NodeDifference, EqualsTheResultOfSimpleLoops) {
  const auto [a, b] = some_values(33 * 257);
  double signal2 = 0, variant2 = 0, error2 = 0, cross = 0, absmax_a = 0, absmax_b = 0, max_abs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i], error = static_cast<double>(b[i] - a[i]);
    signal2 += x * x;
    variant2 += y * y;
    error2 += error * error;
    cross += x * y;
    absmax_a = std::max(absmax_a, std::fabs(x));
    absmax_b = std::max(absmax_b, std::fabs(y));
    max_abs = std::max(max_abs, std::fabs(error));
  }
  const auto found = difference_between(a, b, 257, 1);
  EXPECT_EQ(found.errors.elements, 33 * 257);
  EXPECT_NEAR(found.relative_error(), std::sqrt(error2 / signal2), 1e-13);
  EXPECT_NEAR(found.errors.sqnr_db(), -20 * std::log10(found.relative_error()), 1e-9);
  EXPECT_NEAR(found.errors.cosine(), cross / std::sqrt(signal2 * variant2), 1e-8);
  EXPECT_EQ(found.errors.absmax, absmax_a);
  EXPECT_EQ(found.absmax_variant, absmax_b);
  EXPECT_EQ(found.errors.max_abs, max_abs);
  EXPECT_FALSE(found.is_exact());
}

TEST(NodeDifference, DoesNotDependOnThreads) {
  for (const std::int64_t columns : {1, 8, 640}) {
    const auto [a, b] = some_values(640 * 400);
    const auto one = difference_between(a, b, columns, 1), three = difference_between(a, b, columns, 3);
    EXPECT_EQ(std::memcmp(&one, &three, sizeof one), 0) << columns;
  }
}

TEST(NodeDifference, IsExactForEqualValues) {
  const auto [a, b] = some_values(1000);
  auto with_nan = a;
  with_nan[3] = kNan;
  for (const auto& values : {a, with_nan, std::vector<float>(1000, 0.0F), std::vector<float>()}) {
    const auto none = difference_between(values, values, 10, 1);
    EXPECT_TRUE(none.is_exact());
    EXPECT_EQ(none.relative_error(), 0);
    EXPECT_EQ(none.errors.cosine(), 1);
    EXPECT_EQ(none.errors.sqnr_db(), std::numeric_limits<double>::infinity());
  }
}

TEST(NodeDifference, CountsAndExcludesValuesThatAreNotFinite) {
  const std::vector<float> a = {1, kNan, 2, -kInfinity, 4, 0}, b = {1, 5, kNan, -kInfinity, 3, 0};
  const auto found = difference_between(a, b, 3, 1);
  EXPECT_EQ(found.not_finite_baseline, 2);
  EXPECT_EQ(found.not_finite_variant, 2);
  EXPECT_EQ(found.errors.sum_error2, 1);
  EXPECT_EQ(found.errors.sum_signal2, 17);  // of 1 and 4
  EXPECT_EQ(found.absmax_variant, 5);
  EXPECT_EQ(found.errors.absmax, 4);
}

TEST(NodeDifference, HarmIsInfiniteIfValuesBecomeNan) {
  const std::vector<float> a = {1, 2}, b = {1, kNan};
  EXPECT_EQ(difference_between(a, b, 2, 1).relative_error(), 0);
  EXPECT_EQ(difference_between(a, b, 2, 1).relative_harm(), kInfinity);
  EXPECT_EQ(difference_between(b, b, 2, 1).relative_harm(), 0);
  EXPECT_EQ(difference_between(a, {{1, 3}}, 2, 1).relative_harm(), std::sqrt(1.0 / 5));
}

TEST(NodeDifference, RelativeToZeroIsInfinite) {
  EXPECT_EQ(difference_between(std::vector<float>{0, 0}, std::vector<float>{0, 1}, 2, 1).relative_error(), kInfinity);
}

}  // namespace
}  // namespace fakequant
