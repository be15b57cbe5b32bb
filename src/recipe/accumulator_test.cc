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
  EXPECT_EQ(make_accumulator({{"acc", "e8m13"}, {"every", "32"}}), (Accumulator{8, 13, 32}));
  EXPECT_EQ(make_accumulator({{"every", "4"}, {"acc", "e5m10"}}), (Accumulator{5, 10, 4}));
  EXPECT_EQ(make_accumulator({{"acc", "e5m10"}}), (Accumulator{5, 10, 1}));
  EXPECT_EQ(make_accumulator({{"acc", "f32"}}), std::nullopt);
  EXPECT_TRUE(is_accumulator_option("acc") && is_accumulator_option("every"));
  EXPECT_FALSE(is_accumulator_option("round") || is_accumulator_option(""));
}

TEST(Accumulator, PrintsWhatItReads) {
  for (const auto& accumulator : {Accumulator{8, 13, 32}, Accumulator{2, 1, 1}, Accumulator{8, 22, 1000000}}) {
    EXPECT_EQ(make_accumulator(options_of(accumulator)), accumulator);
  }
  EXPECT_EQ(options_of(Accumulator{5, 10, 1}).size(), 1u);
}

TEST(Accumulator, RefusesWhatIsNone) {
  for (const auto* width : {"", "e8", "m13", "e8m23", "e9m3", "e1m3", "e8m0", "e8m13x", "bf16", "int32", "e-8m3"}) {
    EXPECT_THAT(accumulator_refusal({{"acc", width}}), HasSubstr("acc= takes f32, or eXmY")) << width;
  }
  for (const auto* every : {"", "0", "-1", "x", "1.5"}) {
    EXPECT_THAT(accumulator_refusal({{"acc", "e8m13"}, {"every", every}}), HasSubstr("whole number of products"));
  }
  EXPECT_THAT(accumulator_refusal({{"every", "32"}}), HasSubstr("give acc=eXmY as well"));
  EXPECT_THAT(accumulator_refusal({{"acc", "f32"}, {"every", "32"}}), HasSubstr("acc=f32 has no every="));
  EXPECT_THAT(accumulator_refusal({{"acc", "f32"}, {"acc", "e8m13"}}), HasSubstr("acc= occurs twice"));
}

TEST(Accumulator, HoldsTheNumbersOfKnownFloats) {
  for (const auto& [accumulator, name] : {std::pair(Accumulator{5, 10, 1}, "f16"),
                                          {Accumulator{8, 7, 1}, "bf16"},
                                          {Accumulator{8, 13, 1}, "mantissa13"},
                                          {Accumulator{5, 2, 1}, "e5m2"}}) {
    auto element = element_of(accumulator);
    const auto known = *element_of(std::string_view(name));
    element.name = known.name;
    element.source = known.source;
    EXPECT_EQ(element, known);
  }
}

}  // namespace
}  // namespace fakequant
