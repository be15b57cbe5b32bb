#include "format/element.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "error.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

struct Facts {
  const char* name;
  int bits;
  double largest, smallest_normal, smallest_subnormal;
  bool infinity, nan;
};

// From the tables of the specifications: OCP OFP8 v1.0, table 1; OCP MX v1.0, tables 2 to 5; IEEE 754-2019, table 3.5;
// the FNUZ types from the paper's table 1.
constexpr Facts kFacts[] = {
    {"f16", 16, 65504, 0x1p-14, 0x1p-24, true, true},
    {"bf16", 16, 0x1.FEp127, 0x1p-126, 0x1p-133, true, true},
    {"tf32", 19, 0x1.FFCp127, 0x1p-126, 0x1p-136, true, true},
    {"e5m2", 8, 57344, 0x1p-14, 0x1p-16, true, true},
    {"e4m3", 8, 448, 0x1p-6, 0x1p-9, false, true},
    {"e3m2", 6, 28, 0.25, 0.0625, false, false},
    {"e2m3", 6, 7.5, 1, 0.125, false, false},
    {"e2m1", 4, 6, 1, 0.5, false, false},
    {"e4m3fnuz", 8, 240, 0x1p-7, 0x1p-10, false, true},
    {"e5m2fnuz", 8, 57344, 0x1p-15, 0x1p-17, false, true},
    {"e3m4", 8, 31, 0.25, 0x1p-6, false, false},
    {"e8m7", 16, 0x1.FEp127, 0x1p-126, 0x1p-133, false, false},
    {"mantissa7", 16, 0x1.FEp127, 0x1p-126, 0x1p-133, true, true},
    {"mantissa23", 32, 0x1.FFFFFEp127, 0x1p-126, 0x1p-149, true, true},
};

TEST(Element, IsWhatItsSpecificationSays) {
  for (const auto& facts : kFacts) {
    SCOPED_TRACE(facts.name);
    const auto element = *element_of(facts.name);
    EXPECT_EQ(element.bits(), facts.bits);
    EXPECT_EQ(element.largest, facts.largest);
    EXPECT_EQ(element.smallest_normal(), facts.smallest_normal);
    EXPECT_EQ(element.smallest_subnormal(), facts.smallest_subnormal);
    EXPECT_EQ(element.has_infinity, facts.infinity);
    EXPECT_EQ(element.has_nan, facts.nan);
  }
}

// OCP OFP8 v1.0, table 2; OCP MX v1.0, tables 2 to 5, and 5.3.4.
TEST(Element, HasTheCodesOfItsSpecification) {
  const auto value = [](const char* name, std::uint32_t code) { return decode(*element_of(name), code); };
  EXPECT_EQ(value("e4m3", 0b0'1111'110), 448);
  EXPECT_TRUE(std::isnan(value("e4m3", 0b0'1111'111)));
  EXPECT_EQ(value("e4m3", 0b0'0001'000), 0x1p-6);
  EXPECT_EQ(value("e4m3", 0b0'0000'111), 0.875 * 0x1p-6);
  EXPECT_EQ(value("e4m3", 0b1'0000'001), -0x1p-9);
  EXPECT_TRUE(std::isinf(value("e5m2", 0b0'11111'00)));
  EXPECT_TRUE(std::isnan(value("e5m2", 0b0'11111'01)));
  EXPECT_EQ(value("e5m2", 0b0'11110'11), 57344);
  EXPECT_EQ(value("e3m2", 0b0'111'11), 28);
  EXPECT_EQ(value("e2m3", 0b0'11'111), 7.5);
  const double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (std::uint32_t code = 0; code < 8; ++code) EXPECT_EQ(value("e2m1", code), e2m1[code]);
  EXPECT_TRUE(std::isnan(value("e4m3fnuz", 0x80)));
  EXPECT_EQ(value("e4m3fnuz", 0x7F), 240);
  EXPECT_EQ(decode(mxint8_element(), 0x7F), 127.0 / 64);
  EXPECT_EQ(decode(mxint8_element(), 0x81), -127.0 / 64);
  EXPECT_EQ(decode(mxint8_element(), 0x01), 1.0 / 64);
}

TEST(Element, EncodesWhatItDecodes) {
  for (const auto& element : elements_for_test()) {
    SCOPED_TRACE(element.name);
    for (std::uint32_t code = 0; code < 1u << element.bits(); ++code) {
      const double value = decode(element, code);
      if (std::isnan(value)) continue;
      ASSERT_EQ(encode(element, value), code) << value;
    }
    const auto nan = encode(element, NAN);
    EXPECT_EQ(nan.has_value(), element.has_nan);
    EXPECT_TRUE(!nan || std::isnan(decode(element, *nan))) << *nan;
  }
}

TEST(Element, RefusesWhatIsOutOfRange) {
  for (const char* name : {"e1m2", "e9m2", "e4m0", "e4m11", "mantissa24", "e99999999999m1"}) {
    EXPECT_THROW(element_of(name), Error) << name;
  }
  for (const char* name : {"", "e4", "m3", "em", "e-4m3", "mantissa", "mantissa-1", "mantissa1x", "fp8"}) {
    EXPECT_FALSE(element_of(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace fakequant
