#include "recipe/accumulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

std::string accumulator_refusal(const std::vector<FormatOption>& options) {
  try {
    make_accumulator(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Accumulator, IsAWidthAndANumberOfProducts) {
  EXPECT_EQ(make_accumulator({{"acc", "e8m13"}, {"every", "32"}}), Accumulator(FloatAccumulator{8, 13, 32}));
  EXPECT_EQ(make_accumulator({{"every", "4"}, {"acc", "e5m10"}}), Accumulator(FloatAccumulator{5, 10, 4}));
  EXPECT_EQ(make_accumulator({{"acc", "e5m10"}}), Accumulator(FloatAccumulator{5, 10, 1}));
  EXPECT_EQ(make_accumulator({{"acc", "int16"}}), Accumulator(IntegerAccumulator{16, false, 0}));
  EXPECT_EQ(make_accumulator({{"acc", "int24:wrap"}, {"every", "64"}}), Accumulator(IntegerAccumulator{24, true, 64}));
  EXPECT_EQ(make_accumulator({{"acc", "f32"}}), std::nullopt);
  EXPECT_TRUE(is_accumulator_option("acc") && is_accumulator_option("every"));
  EXPECT_FALSE(is_accumulator_option("round") || is_accumulator_option(""));
}

TEST(Accumulator, PrintsWhatItReads) {
  const std::vector<Accumulator> all = {FloatAccumulator{8, 13, 32},      FloatAccumulator{2, 1, 1},
                                        FloatAccumulator{8, 22, 1000000}, IntegerAccumulator{32, false, 0},
                                        IntegerAccumulator{16, true, 64}, IntegerAccumulator{8, false, 16}};
  for (const auto& accumulator : all) {
    EXPECT_EQ(make_accumulator(options_of(accumulator)), accumulator);
  }
  EXPECT_EQ(options_of(FloatAccumulator{5, 10, 1}).size(), 1u);
  EXPECT_EQ(options_of(IntegerAccumulator{16, true, 0}).size(), 1u);
}

TEST(Accumulator, RefusesWhatIsNone) {
  for (const auto* width :
       {"", "e8", "m13", "e8m23", "e9m3", "e1m3", "e8m0", "e8m13x", "bf16", "int33", "int7", "int16:", "e-8m3"}) {
    EXPECT_THAT(accumulator_refusal({{"acc", width}}), HasSubstr("acc= takes f32, or eXmY")) << width;
  }
  for (const auto* every : {"", "0", "-1", "x", "1.5"}) {
    EXPECT_THAT(accumulator_refusal({{"acc", "e8m13"}, {"every", every}}), HasSubstr("whole number of products"));
  }
  EXPECT_THAT(accumulator_refusal({{"acc", "int16"}, {"every", "15"}}), HasSubstr("16 or more at a time"));
  EXPECT_THAT(accumulator_refusal({{"every", "32"}}), HasSubstr("give acc=eXmY as well"));
  EXPECT_THAT(accumulator_refusal({{"acc", "f32"}, {"every", "32"}}), HasSubstr("acc=f32 has no every="));
  EXPECT_THAT(accumulator_refusal({{"acc", "f32"}, {"acc", "e8m13"}}), HasSubstr("acc= occurs twice"));
}

TEST(Accumulator, HoldsTheNumbersOfKnownFloats) {
  for (const auto& [accumulator, name] : {std::pair(FloatAccumulator{5, 10, 1}, "f16"),
                                          {FloatAccumulator{8, 7, 1}, "bf16"},
                                          {FloatAccumulator{8, 13, 1}, "mantissa13"},
                                          {FloatAccumulator{5, 2, 1}, "e5m2"}}) {
    auto element = element_of(accumulator);
    const auto known = *element_of(std::string_view(name));
    element.name = known.name;
    element.source = known.source;
    EXPECT_EQ(element, known);
  }
}

}  // namespace
}  // namespace fakequant
