#include "format/rounding_errors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "format/on_every_target.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

// The definition, pair by pair: differences in float32, sums in double.
RoundingErrors errors_one_by_one(const std::vector<float>& before, const std::vector<float>& after) {
  RoundingErrors errors;
  errors.elements = static_cast<std::int64_t>(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const float x = before[i], y = after[i], difference = y - x;
    errors.changed += !std::isnan(x) && bits_of(x) != bits_of(y);
    if (!std::isfinite(x)) continue;
    errors.absmax = std::max(errors.absmax, static_cast<double>(std::fabs(x)));
    if (!std::isfinite(difference)) {
      ++errors.not_finite;
      errors.max_abs = errors.max_rel = std::numeric_limits<double>::infinity();
      continue;
    }
    errors.flushed += x != 0 && y == 0;
    errors.max_abs = std::max(errors.max_abs, static_cast<double>(std::fabs(difference)));
    if (x != 0) errors.max_rel = std::max(errors.max_rel, static_cast<double>(std::fabs(difference) / std::fabs(x)));
    const auto e = static_cast<double>(difference), s = static_cast<double>(x);
    errors.sum_abs += std::fabs(e);
    errors.sum_error2 += e * e;
    errors.sum_signal2 += s * s;
    errors.sum_cross += s * e;
  }
  return errors;
}

void expect_errors(const std::vector<float>& before, const std::vector<float>& after) {
  const auto expected = errors_one_by_one(before, after);
  on_every_target([&] {
    const auto errors = errors_between(before, after);
    EXPECT_EQ(errors.elements, expected.elements);
    EXPECT_EQ(errors.changed, expected.changed);
    EXPECT_EQ(errors.saturated, 0);
    EXPECT_EQ(errors.flushed, expected.flushed);
    EXPECT_EQ(errors.not_finite, expected.not_finite);
    EXPECT_EQ(errors.absmax, expected.absmax);
    EXPECT_EQ(errors.max_abs, expected.max_abs);
    EXPECT_EQ(errors.max_rel, expected.max_rel);
    // The order of the additions depends on the target.
    EXPECT_NEAR(errors.sum_abs, expected.sum_abs, 1e-12 * expected.sum_abs);
    EXPECT_NEAR(errors.sum_error2, expected.sum_error2, 1e-12 * expected.sum_error2);
    EXPECT_NEAR(errors.sum_signal2, expected.sum_signal2, 1e-12 * expected.sum_signal2);
    EXPECT_NEAR(errors.sum_cross, expected.sum_cross, 1e-12 * std::sqrt(expected.sum_signal2 * expected.sum_error2));
  });
}

TEST(ErrorsBetween, AreThoseOfThePairsOneByOneOnEveryTarget) {
  for (const std::size_t count : {0u, 1u, 7u, 8u, 33u, 1000u, 65536u, 70001u}) {
    const auto before = normal_floats(count, 1), noise = normal_floats(count, 2, 1e-3f);
    auto after = before;
    for (std::size_t i = 0; i < count; ++i) {
      if (i % 3 != 0) after[i] += noise[i];
      if (i % 11 == 5) after[i] = 0;
    }
    expect_errors(before, after);
    expect_errors(before, before);
  }
}

TEST(ErrorsBetween, LeaveOutWhatIsNotFiniteOnEveryTarget) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kLargest = std::numeric_limits<float>::max(),
                  kLeast = std::numeric_limits<float>::denorm_min();
  const std::vector<float> special = {0.0f, -0.0f,    1.0f,      kInfinity, -kInfinity, NAN,
                                      -NAN, kLargest, -kLargest, kLeast,    -kLeast,    0x1p-126f};
  for (const float x : special) {
    for (const float y : special) expect_errors({x}, {y});
  }
}

}  // namespace
}  // namespace fakequant
