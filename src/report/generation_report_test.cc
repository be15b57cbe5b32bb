#include "report/generation_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::HasSubstr;
using testing::Not;

GenerationVariant identical() {
  GenerationVariant variant;
  variant.name = "same";
  variant.text = "It is four.";
  variant.tokens = variant.tokens_alike = 4;
  variant.identical = true;
  variant.agreement = variant.forced_agreement = 1;
  return variant;
}

GenerationVariant parted() {
  GenerationVariant variant;
  variant.name = "other";
  variant.text = "It is five.";
  variant.tokens = 4;
  variant.tokens_alike = 3;
  variant.first_difference = 2;
  variant.common_bytes = 5;
  variant.at_first_difference = FirstDifference{2, {7, " four"}, {8, " five"}, {0.5, 0.25}, {0.375, 0.0004}};
  return variant;
}

GenerationResult result(std::vector<GenerationVariant> variants) {
  GenerationResult result;
  PromptResult prompt;
  prompt.prompt = "What is 2+2?";
  prompt.baseline = "It is four.";
  prompt.tokens = 4;
  prompt.forced_places = 5;
  prompt.variants = std::move(variants);
  result.prompts = {prompt};
  return result;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(GenerationReport, SaysWhereTextsPartAndHowLikelyBothTokensWere) {
  const auto text = to_text(result({parted()}));
  EXPECT_THAT(text, HasSubstr("other: 3 of 4 tokens alike; they part at token 2, counted from 0; "));
  EXPECT_THAT(text, HasSubstr("At token 2 the baseline gives \" four\" 50.0 % and \" five\" 25.0 %; the variant gives "
                              "them 37.5 % and 0.04 %."));
}

TEST(GenerationReport, ShowsTheBaselineOnceOnly) {
  EXPECT_EQ(count(to_text(result({})), "It is four."), 1);
  EXPECT_EQ(count(to_text(result({identical()})), "It is four."), 1);
  EXPECT_EQ(count(to_text(result({parted()})), "It is"), 1);
  EXPECT_THAT(to_text(result({identical()})), Not(HasSubstr(">>>")));
}

TEST(GenerationReport, PutsTheProbabilitiesIntoTheJson) {
  const auto json = to_json(result({identical(), parted()}), {});
  const auto& variants = json["prompts"][0]["variants"];
  EXPECT_TRUE(variants[0]["at_first_difference"].is_null());
  const auto& place = variants[1]["at_first_difference"];
  EXPECT_EQ(place["position"], 2);
  EXPECT_EQ(place["baseline_token"]["text"], " four");
  EXPECT_EQ(place["baseline"]["p_variant_token"], 0.25);
  EXPECT_EQ(place["variant"]["p_baseline_token"], 0.375);
}

}  // namespace
}  // namespace fakequant
