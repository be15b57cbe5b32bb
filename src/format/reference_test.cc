#include "format/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "format/test_values.h"

namespace fakequant {
namespace {

// The rule in words, over the list of the element's values: the nearest below and above, and which of them it is to be.
// Knows nothing of exponents and steps. For finite x up to the largest value.
float rounded_in_list(const std::vector<double>& magnitudes, Rounding rounding, float x, std::uint32_t word) {
  const double magnitude = std::fabs(static_cast<double>(x));
  const auto above = std::lower_bound(magnitudes.begin(), magnitudes.end(), magnitude);
  if (*above == magnitude) return x;
  const auto below = above - 1;
  const double to_below = magnitude - *below, to_above = *above - magnitude;
  const bool below_is_odd = (below - magnitudes.begin()) % 2 != 0;  // codes count up with the magnitudes
  bool farther = false;
  switch (rounding) {
    case Rounding::nearest:
      farther = to_above < to_below || (to_above == to_below && below_is_odd);
      break;
    case Rounding::away:
      farther = to_above <= to_below;
      break;
    case Rounding::zero:
      break;
    case Rounding::up:
      farther = x > 0;
      break;
    case Rounding::down:
      farther = x < 0;
      break;
    case Rounding::stochastic:
      farther = to_below / (*above - *below) + (word >> 8) / 16777216.0 >= 1;
      break;
  }
  return static_cast<float>(std::copysign(farther ? *above : *below, x));
}

class EveryReference : public testing::TestWithParam<Element> {};

TEST_P(EveryReference, RoundsToItsNeighboursInTheList) {
  const auto& element = GetParam();
  const auto magnitudes = magnitudes_of(element);
  auto values = edges_of(element);
  const auto more = random_floats(20000, 1);
  values.insert(values.end(), more.begin(), more.end());
  const auto normal = normal_floats(20000, 2, static_cast<float>(std::min(element.largest / 4, 1e30)));
  values.insert(values.end(), normal.begin(), normal.end());
  const auto words = random_words_for_test(values.size(), 3);
  for (const auto rounding : kRoundings) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!(std::fabs(static_cast<double>(values[i])) <= element.largest)) continue;
      const auto rounded = round_reference(element, rounding, false, values[i], words[i]);
      float expected = rounded_in_list(magnitudes, rounding, values[i], words[i]);
      if (expected == 0 && !element.has_negative_zero) expected = 0;
      ASSERT_TRUE(same(rounded.value, expected))
          << to_string(rounding) << " of " << values[i] << " is " << rounded.value << ", not " << expected;
      ASSERT_FALSE(rounded.saturated);
    }
  }
}

TEST_P(EveryReference, MapsEveryValueToItself) {
  const auto& element = GetParam();
  for (const double magnitude : magnitudes_of(element)) {
    for (const auto rounding : kRoundings) {
      for (const double value : {magnitude, -magnitude}) {
        const auto x = static_cast<float>(value);
        if (bits_of(x) == 0x80000000u && !element.has_negative_zero) continue;
        for (const std::uint32_t word : {0u, 0xFFFFFFFFu}) {
          ASSERT_EQ(bits_of(round_reference(element, rounding, false, x, word).value), bits_of(x));
        }
      }
    }
  }
}

TEST_P(EveryReference, HasThePropertiesOfItsRoundings) {
  const auto& element = GetParam();
  auto values = random_floats(50000, 4);
  const auto edges = edges_of(element);
  values.insert(values.end(), edges.begin(), edges.end());
  values.erase(std::remove_if(values.begin(), values.end(), [](float x) { return std::isnan(x); }), values.end());
  std::sort(values.begin(), values.end());
  for (const auto rounding : kRoundings) {
    if (rounding == Rounding::stochastic) continue;
    float last = -INFINITY;
    for (const float x : values) {
      const float y = round_reference(element, rounding, false, x).value;
      ASSERT_GE(y, last) << to_string(rounding) << " is not monotonic at " << x;
      last = y;
      const bool odd = rounding == Rounding::nearest || rounding == Rounding::away || rounding == Rounding::zero;
      if (odd) {
        ASSERT_EQ(round_reference(element, rounding, false, -x).value, -y);
      }
      const bool in_range = std::fabs(static_cast<double>(x)) <= element.largest;
      ASSERT_TRUE(rounding != Rounding::zero || std::isinf(x) || std::fabs(y) <= std::fabs(x));
      ASSERT_TRUE(rounding != Rounding::up || !in_range || y >= x);
      ASSERT_TRUE(rounding != Rounding::down || !in_range || y <= x);
      // What was rounded stays.
      ASSERT_TRUE(same(round_reference(element, rounding, false, y).value, y));
    }
  }
}

TEST_P(EveryReference, OverflowsAsItIsTold) {
  const auto& element = GetParam();
  const int exponent = std::max(std::ilogb(element.largest), element.min_exponent);
  const double step = std::ldexp(1.0, exponent - element.mantissa_bits);
  const double beyond = element.largest + step;
  const auto largest = static_cast<float>(element.largest);
  for (const auto rounding : kRoundings) {
    for (const bool saturate : {false, true}) {
      const bool infinity = element.has_infinity && !saturate;
      const auto of_infinity = round_reference(element, rounding, saturate, -INFINITY);
      EXPECT_EQ(of_infinity.value, infinity ? -INFINITY : -largest);
      EXPECT_EQ(of_infinity.saturated, !infinity);
      if (beyond > 0x1.FFFFFEp127) continue;  // there is no such float
      const auto above = round_reference(element, rounding, saturate, static_cast<float>(beyond));
      const bool stays = rounding == Rounding::zero || rounding == Rounding::down;
      EXPECT_EQ(above.value, infinity && !stays ? INFINITY : largest) << to_string(rounding);
      EXPECT_TRUE(above.saturated);
      const auto below = round_reference(element, rounding, saturate, static_cast<float>(-beyond));
      const bool stays_below = rounding == Rounding::zero || rounding == Rounding::up;
      EXPECT_EQ(below.value, infinity && !stays_below ? -INFINITY : -largest) << to_string(rounding);
    }
  }
}

TEST_P(EveryReference, KeepsNanAndItsSign) {
  for (const std::uint32_t nan : {0x7F800001u, 0xFFFFFFFFu, 0x7FC12345u}) {
    const auto rounded = round_reference(GetParam(), Rounding::nearest, false, from_bits(nan));
    EXPECT_TRUE(std::isnan(rounded.value));
    EXPECT_EQ(bits_of(rounded.value) >> 31, nan >> 31);
    EXPECT_FALSE(rounded.saturated);
  }
}

INSTANTIATE_TEST_SUITE_P(Elements, EveryReference, testing::ValuesIn(elements_for_test()),
                         [](const auto& info) { return info.param.name; });

float nearest(const char* name, float x) {
  return round_reference(*element_of(name), Rounding::nearest, false, x).value;
}
float truncated(const char* name, float x) {
  return round_reference(*element_of(name), Rounding::zero, false, x).value;
}

// The seven midpoints of E2M1, which shipped libraries round up: each goes to the even code.
TEST(Reference, SendsTheMidpointsOfE2m1ToTheEvenCode) {
  const float midpoints[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  const float even[] = {0, 1, 1, 2, 2, 4, 4};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(nearest("e2m1", midpoints[i]), even[i]);
    EXPECT_EQ(nearest("e2m1", -midpoints[i]), -even[i]);
    EXPECT_GT(round_reference(*element_of("e2m1"), Rounding::away, false, midpoints[i]).value, midpoints[i]);
  }
}

// The five values that the reference experiment printed, under truncation as its table shows them. Nearest: computed
// from the same decimals with Python's fractions as the nearer of the two neighbouring multiples of 2^(e-7).
TEST(Reference, RoundsTheReferencesFiveValuesAsItsTableShows) {
  for (const char* name : {"bf16", "mantissa7"}) {
    EXPECT_EQ(truncated(name, 1.23456788f), 1.23437500f);
    EXPECT_EQ(truncated(name, -0.98765433f), -0.98437500f);
    EXPECT_NEAR(truncated(name, 0.00012346f), 0.00012302f, 5e-9);
    EXPECT_EQ(truncated(name, -1000.12347412f), -1000.00000000f);
    EXPECT_EQ(truncated(name, 3.14159274f), 3.14062500f);
  }
}

TEST(Reference, RoundsTheReferencesFiveValuesAsItsCodeDid) {
  EXPECT_EQ(nearest("bf16", 1.23456788f), 1.23437500f);
  EXPECT_EQ(nearest("bf16", -0.98765433f), -0.98828125f);
  EXPECT_EQ(nearest("bf16", 0.00012346f), 0x1.02p-13f);
  EXPECT_EQ(nearest("bf16", -1000.12347412f), -1000.00000000f);
  EXPECT_EQ(nearest("bf16", 3.14159274f), 3.14062500f);
}

TEST(Reference, RoundsUpAsOftenAsTheFractionSays) {
  const auto element = *element_of("e4m3");
  const auto words = random_words_for_test(700000, 5);
  for (const double fraction : {0.1, 0.5, 0.875}) {
    int count = 0, up = 0;
    for (std::size_t i = 2; i < words.size(); i += 7) {  // those of them that are random
      ++count;
      up += round_reference(element, Rounding::stochastic, false, static_cast<float>(-(1 + fraction / 8)), words[i])
                .value == -1.125f;
    }
    EXPECT_NEAR(static_cast<double>(up) / count, fraction, 5 * std::sqrt(0.25 / count));
  }
}

}  // namespace
}  // namespace fakequant
