#include "measure/linear_bins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "format/test_values.h"

namespace fakequant {
namespace {

TEST(LinearBins, CountMagnitudesInEqualWidths) {
  for (const int exponent : {-149, -126, -20, 0, 3, 100, 115}) {
    auto values = normal_floats(5000, 1);
    for (auto& x : values) x = std::ldexp(x, exponent);
    values[7] = NAN;
    values[8] = INFINITY;
    values[9] = 0;
    LinearBins bins;
    bins.add(values);
    double absmax = 0;
    for (const float x : values) {
      if (std::isfinite(x)) absmax = std::max(absmax, std::fabs(static_cast<double>(x)));
    }
    const auto counts = bins.counts();
    EXPECT_EQ(counts.size(), static_cast<std::size_t>(absmax / bins.width()) + 1);
    EXPECT_LE(counts.size(), 4096u);
    EXPECT_EQ(counts.size() > 2048, exponent > -149);
    std::vector<std::int64_t> expected(counts.size());
    for (const float x : values) {
      if (std::isfinite(x)) ++expected[static_cast<std::size_t>(std::fabs(static_cast<double>(x)) / bins.width())];
    }
    EXPECT_TRUE(std::equal(counts.begin(), counts.end(), expected.begin())) << exponent;
  }
}

TEST(LinearBins, DependOnTheValuesAlone) {
  auto values = random_floats(20000, 2);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = static_cast<float>(i);
  LinearBins at_once, upwards, downwards;
  at_once.add(values);
  std::sort(values.begin(), values.end(),
            [](float a, float b) { return bits_of(std::fabs(a)) < bits_of(std::fabs(b)); });
  for (std::size_t i = 0; i < values.size(); i += 100) {
    upwards.add(std::span(values).subspan(i, 100));
    downwards.add(std::span(values).subspan(values.size() - 100 - i, 100));
  }
  for (const auto* other : {&upwards, &downwards}) {
    EXPECT_EQ(other->width(), at_once.width());
    EXPECT_TRUE(
        std::equal(at_once.counts().begin(), at_once.counts().end(), other->counts().begin(), other->counts().end()));
  }
}

TEST(LinearBins, HaveNothingOfNothing) {
  LinearBins bins;
  bins.add({});
  bins.add(std::vector<float>{NAN, INFINITY});
  EXPECT_TRUE(bins.counts().empty());
  bins.add(std::vector<float>{0.0f, -0.0f});
  ASSERT_EQ(bins.counts().size(), 1u);
  EXPECT_EQ(bins.counts()[0], 2);
  bins.add(std::vector<float>{-3});
  EXPECT_EQ(bins.counts().size(), 3073u);
  EXPECT_EQ(bins.counts()[0], 2);
  EXPECT_EQ(bins.counts()[3072], 1);
}

}  // namespace
}  // namespace fakequant
