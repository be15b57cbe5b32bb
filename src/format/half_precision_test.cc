#include "format/half_precision.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "format/element.h"
#include "format/on_every_target.h"
#include "format/reference.h"

namespace fakequant {
namespace {

std::vector<std::uint16_t> all_codes() {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  return codes;
}

const Element& element_of_half(Half type) {
  static const auto f16 = *element_of("f16"), bf16 = *element_of("bf16");
  return type == Half::f16 ? f16 : bf16;
}

// What the scalar reference says.
float reference_widened(Half type, std::uint16_t code) {
  return static_cast<float>(decode(element_of_half(type), code));
}

std::uint16_t reference_narrowed(Half type, float value) {
  const auto& element = element_of_half(type);
  const auto rounded = round_reference(element, Rounding::nearest, false, value, 0).value;
  return static_cast<std::uint16_t>(*encode(element, static_cast<double>(rounded)));
}

class HalfPrecision : public testing::TestWithParam<Half> {};

TEST_P(HalfPrecision, WidensEveryCodeAsTheReferenceDoes) {
  const auto codes = all_codes();
  on_every_target([&] {
    std::vector<float> values(codes.size());
    widen(GetParam(), codes.data(), values);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const float expected = reference_widened(GetParam(), codes[i]);
      if (std::isnan(expected) && std::isnan(values[i])) continue;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(expected)) << codes[i];
    }
  });
}

TEST_P(HalfPrecision, NarrowsEveryCodeItsMidpointsAndTheirNeighboursAsTheReferenceDoes) {
  std::vector<float> values;
  for (const auto code : all_codes()) {
    const float value = reference_widened(GetParam(), code);
    const float next = reference_widened(GetParam(), static_cast<std::uint16_t>(code + 1));
    const float middle = value / 2 + next / 2;
    for (const float x : {value, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 2 * middle)}) {
      values.push_back(x);
    }
  }
  const float largest = GetParam() == Half::f16 ? 65504.0f : 0x1.FEp127f;
  for (const float x : {largest, std::nextafter(65520.0f, 0.0f), 65520.0f, 65536.0f, 1e30f, 0x1.FFp127f,
                        0x1.FEFFFEp127f, std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::denorm_min(), 0x1p-25f, std::nextafter(0x1p-25f, 1.0f)}) {
    values.push_back(x);
    values.push_back(-x);
  }
  on_every_target([&] {
    std::vector<std::uint16_t> codes(values.size());
    narrow(GetParam(), values, codes.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) {
        ASSERT_TRUE(std::isnan(reference_widened(GetParam(), codes[i])));
      } else {
        ASSERT_EQ(codes[i], reference_narrowed(GetParam(), values[i])) << values[i];
      }
    }
  });
}

TEST_P(HalfPrecision, ConvertsAnyNumberOfValuesAndTouchesNoOther) {
  on_every_target([&] {
    for (std::size_t count = 0; count < 40; ++count) {
      std::vector<float> values(count + 1, 7.0f);
      std::vector<std::uint16_t> codes(count + 1, 0x4000);
      widen(GetParam(), codes.data(), {values.data(), count});
      EXPECT_EQ(values.back(), 7.0f);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(values[i], 2.0f);
      narrow(GetParam(), {values.data(), count}, codes.data());
      EXPECT_EQ(codes, std::vector<std::uint16_t>(count + 1, 0x4000));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Both, HalfPrecision, testing::Values(Half::f16, Half::bf16));

}  // namespace
}  // namespace fakequant
