#include "report/plan_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::HasSubstr;

PlanResult result() {
  PlanResult plan;
  plan.study = "study.db";
  plan.model = "model.gguf";
  plan.texts = {"text.txt"};
  plan.layers = 4;
  KindPlan kind;
  kind.kind = PlanKind::activations;
  kind.parts = 4;
  kind.values = 1024;
  kind.untouched_bits = 32;
  for (int i = 0; i < 3; ++i) {
    PlanPoint point;
    point.bits = 4 + i;
    point.kld = 0.1 / (i + 1);
    point.is_shown = i > 0;
    point.is_chosen = i == 1;
    kind.front.push_back(point);
  }
  kind.front[1].measured = Estimate{0.04, 0.001};
  PlanPoint uniform;
  uniform.bits = 5;
  uniform.kld = 0.3;
  uniform.format = "int4";
  uniform.is_shown = true;
  kind.uniform = {uniform};
  kind.chosen_bits = 5;
  kind.chosen_kld = 0.05;
  plan.kinds = {kind};
  plan.is_chosen = true;
  plan.kld = 0.05;
  for (int layer = 0; layer < 4; ++layer) {
    plan.assignments.push_back({PlanKind::activations, "a:ffn_norm", layer, layer == 2 ? "" : "int4", false, 256,
                                layer == 2 ? 32.0 : 4.125, layer == 2 ? 0 : 0.01});
  }
  plan.recipe = {parse_rule("a:ffn_norm@0-1,3=int4")};
  plan.verification = PlanVerification{"model.gguf", {"text.txt"}, 2, Estimate{0.04, 0.001}};
  return plan;
}

TEST(PlanReport, ShowsThePlanAmongTheMixesAndPredictedBesideMeasured) {
  const auto text = to_text(result());
  EXPECT_THAT(text, HasSubstr("mixed <- the plan"));
  EXPECT_THAT(text, HasSubstr("all in int4"));
  EXPECT_THAT(text, testing::Not(HasSubstr("4.000")));  // a mix that is not shown
  EXPECT_THAT(text, HasSubstr("activations in 5.000 bits; KL divergence 0.05 nats predicted, 0.04000 ± 0.00100 "
                              "measured; predicted / measured 1.25"));
  EXPECT_THAT(text, HasSubstr("0-1,3"));
  EXPECT_THAT(text, HasSubstr("as it is"));
}

TEST(PlanReport, HasAllMixesInJson) {
  const auto json = Json::parse(to_text(to_json(result(), {})));
  EXPECT_EQ(json["schema"], "fakequant.plan/1");
  ASSERT_EQ(json["pareto"].size(), 3u);
  EXPECT_TRUE(json["pareto"][0]["measured_kld"].is_null());
  EXPECT_EQ(json["pareto"][1]["measured_kld"], 0.04);
  EXPECT_EQ(json["chosen"]["bits"], 5);
  EXPECT_TRUE(json["chosen"]["weight_bits"].is_null());
  EXPECT_EQ(json["chosen"]["assignments"].size(), 4u);
  EXPECT_EQ(json["verify"]["predicted_kld"], 0.05);
  auto without = result();
  without.is_chosen = false;
  without.verification.reset();
  EXPECT_TRUE(to_json(without, {})["chosen"].is_null());
}

TEST(PlanReport, SuggestsInWordsWithTheFigures) {
  PlanSuggestion suggestion;
  suggestion.places = {{"a:ffn_norm", {0, 1, 3}}};
  suggestion.format = "e4m3";
  suggestion.parts = 3;
  suggestion.of_parts = 24;
  suggestion.bits = 8;
  suggestion.untouched_bits = 32;
  suggestion.kld = 6e-6;
  suggestion.largest_kld = 3e-6;
  EXPECT_EQ(to_text(suggestion),
            "a:ffn_norm in layers 0-1,3 can go from 32 to 8 bits in e4m3 at a loss that counts as none: 6.000e-06 "
            "together, each "
            "at most 3.000e-06 nats.");
  suggestion.kind = PlanSuggestion::costs_most;
  suggestion.parts = 1;
  suggestion.places = {{"a:ffn_norm", {2}}};
  suggestion.kld = 0.03;
  suggestion.total_kld = 0.04;
  EXPECT_EQ(to_text(suggestion),
            "a:ffn_norm in layer 2 must not go to e4m3 (8 bits): 1 of 24 makes 75 % of what e4m3 costs in all of them "
            "(0.03 of 0.04 nats).");
}

}  // namespace
}  // namespace fakequant
