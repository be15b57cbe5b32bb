#include "format/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_format(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Format, ReadsAndWritesItsText) {
  EXPECT_EQ(parse_format("bf16"), (Format{"bf16", Rounding::nearest}));
  EXPECT_EQ(parse_format("bf16,round=nearest"), parse_format("bf16"));
  EXPECT_EQ(parse_format("bf16,round=zero"), (Format{"bf16", Rounding::zero}));
  for (const auto* text : {"bf16", "bf16,round=zero"}) EXPECT_EQ(to_string(parse_format(text)), text);
}

TEST(Format, RefusesWhatItDoesNotKnowAndSaysWhatItDoes) {
  EXPECT_THAT(refusal("bf17"), HasSubstr("the formats are bf16"));
  EXPECT_THAT(refusal(""), HasSubstr("unknown format ''"));
  EXPECT_THAT(refusal("bf16,round=up"), HasSubstr("nearest or zero"));
  EXPECT_THAT(refusal("bf16,size=3"), HasSubstr("unknown option 'size'"));
  EXPECT_THAT(refusal("bf16,round=zero,round=zero"), HasSubstr("given twice"));
  EXPECT_THAT(refusal("bf16,zero"), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(refusal("bf16,"), HasSubstr("last comma"));
  EXPECT_THAT(refusal("bf16,,round=zero"), HasSubstr("KEY=VALUE"));
}

}  // namespace
}  // namespace fakequant
