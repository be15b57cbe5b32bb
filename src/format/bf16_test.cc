#include "format/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace fakequant {
namespace {

float nearest(float x) { return round_to_bf16<Rounding::nearest>(x); }
float truncated(float x) { return round_to_bf16<Rounding::zero>(x); }
std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// The five values that the reference experiment printed, under truncation as its table shows them. Nearest: computed
// from the same decimals with Python's fractions as the nearer of the two neighbouring multiples of 2^(e-7).
TEST(Bf16, RoundsTheReferencesFiveValuesAsItsTableShows) {
  EXPECT_EQ(truncated(1.23456788f), 1.23437500f);
  EXPECT_EQ(truncated(-0.98765433f), -0.98437500f);
  EXPECT_NEAR(truncated(0.00012346f), 0.00012302f, 5e-9);
  EXPECT_EQ(truncated(-1000.12347412f), -1000.00000000f);
  EXPECT_EQ(truncated(3.14159274f), 3.14062500f);
}

TEST(Bf16, RoundsTheReferencesFiveValuesAsItsCodeDid) {
  EXPECT_EQ(nearest(1.23456788f), 1.23437500f);
  EXPECT_EQ(nearest(-0.98765433f), -0.98828125f);
  EXPECT_EQ(nearest(0.00012346f), 0x1.02p-13f);
  EXPECT_EQ(nearest(-1000.12347412f), -1000.00000000f);
  EXPECT_EQ(nearest(3.14159274f), 3.14062500f);
}

TEST(Bf16, MapsEveryCodeToItself) {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    const float value = from_bits(code << 16);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(nearest(value)) && std::isnan(truncated(value)));
    } else {
      EXPECT_EQ(bits_of(nearest(value)), code << 16);
      EXPECT_EQ(bits_of(truncated(value)), code << 16);
    }
  }
}

TEST(Bf16, SendsTiesToTheEvenCodeAndTheirNeighboursToTheNearer) {
  for (std::uint32_t code = 0; code < 0x7F80; ++code) {
    const std::uint32_t middle = (code << 16) | 0x8000u;
    const std::uint32_t below = code << 16, above = (code + 1) << 16;
    EXPECT_EQ(bits_of(nearest(from_bits(middle))), code % 2 == 0 ? below : above);
    EXPECT_EQ(bits_of(nearest(from_bits(middle - 1))), below);
    EXPECT_EQ(bits_of(nearest(from_bits(middle + 1))), above);
    EXPECT_EQ(bits_of(truncated(from_bits(middle + 1))), below);
    EXPECT_EQ(bits_of(truncated(from_bits(above - 1))), below);
  }
}

TEST(Bf16, OverflowsToInfinityOnlyWhenRoundingToNearest) {
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(nearest(largest), std::numeric_limits<float>::infinity());
  EXPECT_EQ(nearest(-largest), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(truncated(largest), 0x1.FEp127f);
}

TEST(Bf16, KeepsZerosInfinitiesAndNans) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto round : {nearest, truncated}) {
    EXPECT_EQ(bits_of(round(-0.0f)), 0x80000000u);
    EXPECT_EQ(round(infinity), infinity);
    EXPECT_EQ(round(-infinity), -infinity);
    EXPECT_TRUE(std::isnan(round(from_bits(0x7F800001u))));  // a payload in the half that is dropped
    EXPECT_TRUE(std::isnan(round(from_bits(0x7FFFFFFFu))));
    EXPECT_EQ(bits_of(round(from_bits(0xFF800001u))) >> 31, 1u);
  }
}

TEST(Bf16, IsOddAndMonotonic) {
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    const float a = from_bits(static_cast<std::uint32_t>(random())),
                b = from_bits(static_cast<std::uint32_t>(random()));
    if (std::isnan(a) || std::isnan(b)) continue;
    for (const auto round : {nearest, truncated}) {
      EXPECT_EQ(bits_of(round(-a)), bits_of(-round(a)));
      if (a <= b) {
        EXPECT_LE(round(a), round(b));
      }
    }
  }
}

}  // namespace
}  // namespace fakequant
