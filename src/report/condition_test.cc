#include "report/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kFields = {"max_rel", "kld.mean", "only_in_a"};

Json result() {
  return Json::parse(R"({"only_in_a": ["x", "y"],
                         "tensors": [{"name": "a", "max_rel": 0.5}, {"name": "b", "max_rel": 0.75},
                                     {"name": "c", "max_rel": null}],
                         "variants": [{"name": "v", "kld": {"mean": 1e-3}}]})");
}

std::string found(const std::string& condition) {
  return find_condition(parse_condition(condition, kFields), result()).value_or("");
}

TEST(Condition, FindsTheWorstOfAList) {
  EXPECT_EQ(found("max_rel>0.4"), "'max_rel>0.4' holds for 2 of 2: the worst is b, with 0.75");
  EXPECT_EQ(found("max_rel <= 0.9"), "'max_rel <= 0.9' holds for 2 of 2: the worst is a, with 0.5");
  EXPECT_EQ(found("max_rel>0.75"), "");
  EXPECT_THAT(found("max_rel>=0.75"), HasSubstr("1 of 2"));
  EXPECT_THAT(found("kld.mean>1e-4"), HasSubstr("the worst is v, with 0.001"));
}

TEST(Condition, LetsNothingPassThatCannotBeJudged) {
  Json json;
  json["tensors"] = Json::array();
  const auto condition = parse_condition("max_rel>0.5", kFields);
  EXPECT_EQ(find_condition(condition, json), "'max_rel>0.5': no result has this field");
  json["tensors"].push_back({{"name", "a"}, {"max_rel", 0.25}});
  EXPECT_FALSE(find_condition(condition, json));
  json["tensors"].push_back({{"name", "b"}, {"max_rel", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_THAT(find_condition(condition, json).value_or(""), HasSubstr("the worst is b"));
  json["tensors"].back()["max_rel"] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(find_condition(condition, json).value_or(""), HasSubstr("the worst is b, with inf"));
}

TEST(Condition, CountsLists) {
  EXPECT_EQ(found("only_in_a > 1"), "'only_in_a > 1': only_in_a is 2");
  EXPECT_EQ(found("only_in_a != 2"), "");
}

TEST(Condition, MayBeAboutOneEntry) {
  EXPECT_EQ(found("b: max_rel>0.4"), "'b: max_rel>0.4' holds for 1 of 1: the worst is b, with 0.75");
  EXPECT_EQ(found("a:max_rel > 0.6"), "");
  EXPECT_EQ(found("d: max_rel>0.4"), "'d: max_rel>0.4': no result of d has this field");
  const auto rule = parse_condition("w:ffn_up=int4,per=row: kld.mean>=1e-3", kFields);
  EXPECT_EQ(rule.entry, "w:ffn_up=int4,per=row");
  EXPECT_EQ(rule.field, "kld.mean");
  EXPECT_EQ(rule.comparison, ">=");
}

// A variant of bench has a "prompt" of its own, which is a speed.
TEST(Condition, IsAboutSpeeds) {
  const auto json = Json::parse(R"({"variants": [{"name": "a", "prompt": {"ratio": 0.5}, "decode": {"ratio": 0.9}},
                                                 {"name": "b", "prompt": {"ratio": 0.7}, "decode": {"ratio": 0.8}}]})");
  const std::vector<std::string> fields = {"prompt.ratio", "decode.ratio"};
  EXPECT_EQ(find_condition(parse_condition("prompt.ratio>1", fields), json), std::nullopt);
  EXPECT_EQ(find_condition(parse_condition("decode.ratio<0.85", fields), json),
            "'decode.ratio<0.85' holds for 1 of 2: the worst is b, with 0.8");
}

TEST(Condition, IsAboutTheVariantsThatContinuedAPrompt) {
  const auto json = Json::parse(R"({"prompts": [{"prompt": "a", "variants": [{"name": "v", "identical": true}]},
                                                {"prompt": "b", "variants": [{"name": "v", "identical": false}]}]})");
  const auto condition = parse_condition("identical<1", {"identical"});
  EXPECT_EQ(find_condition(condition, json), "'identical<1' holds for 1 of 2: the worst is v, with 0");
}

TEST(Condition, SaysWhatIsAllowed) {
  const auto refusal = [](const std::string& text) -> std::string {
    try {
      parse_condition(text, kFields);
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::usage);
      return error.what();
    }
    return "accepted";
  };
  for (const auto* text : {"", "max_rel", "max_rel>", "max_rel>x", "max_rel=1", ">1", "max_rel>1>2", "max_rel><1",
                           "1>max_rel", "max_rel>nan", "max_rel>inf", "max_rel>0 . 1"}) {
    EXPECT_THAT(refusal(text), HasSubstr("write FIELD>NUMBER")) << text;
  }
  EXPECT_THAT(refusal("max_ril>1"),
              HasSubstr("there is no field max_ril here: take one of max_rel, kld.mean, only_in_a"));
}

}  // namespace
}  // namespace fakequant
