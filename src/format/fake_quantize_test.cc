#include "format/fake_quantize.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "format/bf16.h"

namespace fakequant {
namespace {

float reference(Rounding rounding, float x) {
  return rounding == Rounding::zero ? round_to_bf16<Rounding::zero>(x) : round_to_bf16<Rounding::nearest>(x);
}

bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// Every code, every midpoint between two, both neighbours of each, and random floats.
std::vector<float> interesting_values() {
  std::vector<float> values;
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    for (const std::uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      values.push_back(std::bit_cast<float>((code << 16) | low));
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 100003; ++i) values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  return values;
}

// Calls check on every instruction set that this machine has.
template <typename Check>
void on_every_target(const Check& check) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(FakeQuantize, EqualsTheScalarReferenceOnEveryTarget) {
  const auto values = interesting_values();
  for (const auto rounding : {Rounding::nearest, Rounding::zero}) {
    on_every_target([&] {
      auto rounded = values;
      fake_quantize({"bf16", rounding}, rounded);
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same(rounded[i], reference(rounding, values[i]))) << values[i] << " became " << rounded[i];
      }
    });
  }
}

TEST(FakeQuantize, RoundsNothingOutsideTheSpan) {
  on_every_target([] {
    for (std::size_t size = 0; size < 70; ++size) {
      for (std::size_t offset = 0; offset < 3; ++offset) {
        std::vector<float> values(size + offset + 1, 1.001f);
        fake_quantize({}, std::span(values).subspan(offset, size));
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_EQ(values[i], i >= offset && i < offset + size ? 1.0f : 1.001f);
        }
      }
    }
  });
}

TEST(FakeQuantize, ReportsWhatAPlainLoopFinds) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(100001);
  for (auto& value : values) value = normal(random);
  values[5] = 0;
  RoundingErrors expected;
  for (const float x : values) {
    const float y = reference(Rounding::nearest, x);
    const double e = std::fabs(static_cast<double>(y) - static_cast<double>(x)), s = std::fabs(static_cast<double>(x));
    expected.changed += x != y;
    expected.absmax = std::max(expected.absmax, s);
    expected.max_abs = std::max(expected.max_abs, e);
    if (x != 0) expected.max_rel = std::max(expected.max_rel, e / s);
    expected.sum_abs += e;
    expected.sum_error2 += e * e;
    expected.sum_signal2 += s * s;
  }
  on_every_target([&] {
    auto rounded = values;
    const auto errors = fake_quantize({}, rounded);
    EXPECT_EQ(errors.elements, 100001);
    EXPECT_EQ(errors.changed, expected.changed);
    EXPECT_EQ(errors.saturated, 0);
    EXPECT_EQ(errors.absmax, expected.absmax);
    EXPECT_EQ(errors.max_abs, expected.max_abs);
    EXPECT_NEAR(errors.max_rel, expected.max_rel, 1e-9);
    EXPECT_NEAR(errors.sum_abs, expected.sum_abs, 1e-9 * expected.sum_abs);
    EXPECT_NEAR(errors.sum_error2, expected.sum_error2, 1e-9 * expected.sum_error2);
    EXPECT_NEAR(errors.sum_signal2, expected.sum_signal2, 1e-9 * expected.sum_signal2);
  });
}

TEST(FakeQuantize, CountsWhatIsNotFiniteApart) {
  const float infinity = std::numeric_limits<float>::infinity();
  on_every_target([&] {
    std::vector<float> values = {std::nanf(""), infinity, -infinity, std::numeric_limits<float>::max(), 1.001f};
    const auto errors = fake_quantize({}, values);
    EXPECT_EQ(errors.elements, 5);
    EXPECT_EQ(errors.changed, 2);    // the largest float and 1.001
    EXPECT_EQ(errors.saturated, 1);  // the largest float, which became infinity
    EXPECT_EQ(errors.absmax, static_cast<double>(std::numeric_limits<float>::max()));
    EXPECT_NEAR(errors.max_abs, 0.001, 1e-6);
  });
}

TEST(RoundingErrors, HaveNoNoiseWhereNothingChanged) {
  std::vector<float> values = {1.0f, 0.5f};
  const auto errors = fake_quantize({}, values);
  EXPECT_EQ(errors.changed, 0);
  EXPECT_TRUE(std::isinf(errors.sqnr_db()));
  EXPECT_EQ(RoundingErrors{}.mean_abs(), 0);
}

}  // namespace
}  // namespace fakequant
