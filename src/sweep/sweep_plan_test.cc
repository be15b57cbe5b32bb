#include "sweep/sweep_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::ElementsAre;

// Three layers. The second has no ffn_norm; all have ffn_out and its weight.
ModelSites model() {
  ModelSites sites;
  sites.weight_layers = sites.activation_layers = 3;
  for (const int layer : {0, 1, 2}) {
    const auto number = std::to_string(layer);
    sites.weights.push_back({"blk." + number + ".ffn_down.weight", layer});
    if (layer != 1) sites.activations.push_back({"ffn_norm-" + number, layer, {{"ffn_norm-" + number}}});
    sites.activations.push_back({"ffn_out-" + number, layer, {{"ffn_out-" + number}}});
  }
  sites.weights.push_back({"output.weight", {}});
  sites.activations.push_back({"result_output", {}, {{"result_output"}}, {}, true});
  return sites;
}

SweepQuestion question(const std::vector<std::string>& sites, const std::vector<std::string>& formats,
                       bool by_layer = false) {
  SweepQuestion asked;
  for (const auto& site : sites) asked.sites.push_back(parse_site_pattern(site));
  for (const auto& format : formats) asked.formats.push_back(parse_rule_format(format));
  asked.by_layer = by_layer;
  return asked;
}

std::vector<std::string> names(const SweepPlan& plan) {
  std::vector<std::string> names;
  for (const auto& variant : plan.variants) names.push_back(to_string(variant.rule));
  return names;
}

TEST(SweepPlan, CombinesEachSiteWithEachFormat) {
  const auto plan = plan_sweep(question({"a:ffn_out", "w:ffn_down@1-2"}, {"bf16", "int4,per=block,block=64"}), model());
  EXPECT_THAT(names(plan), ElementsAre("a:ffn_out=bf16", "a:ffn_out=int4,per=block,block=64", "w:ffn_down@1-2=bf16",
                                       "w:ffn_down@1-2=int4,per=block,block=64"));
  EXPECT_EQ(plan.variants[0].lowest_layer, 0);
  EXPECT_EQ(plan.variants[2].lowest_layer, 1);
  EXPECT_EQ(plan.variants[2].site, "w:ffn_down@1-2");
  EXPECT_FALSE(plan.variants[2].layer.has_value());
  EXPECT_THAT(plan.variants[2].sites, ElementsAre(1u, 2u));
}

TEST(SweepPlan, SplitsSitesByLayerAndNotesEmptyLayers) {
  const auto plan = plan_sweep(question({"a:ffn_norm", "a:ffn_out@1"}, {"bf16", "e4m3", "bf16"}, true), model());
  EXPECT_THAT(names(plan), ElementsAre("a:ffn_norm@0=bf16", "a:ffn_norm@2=bf16", "a:ffn_norm@0=e4m3",
                                       "a:ffn_norm@2=e4m3", "a:ffn_out@1=bf16", "a:ffn_out@1=e4m3"));
  EXPECT_THAT(plan.notes, ElementsAre("a:ffn_norm names nothing in layer 1, which is left out."));
  EXPECT_EQ(plan.variants[1].site, "a:ffn_norm");
  EXPECT_EQ(plan.variants[1].layer, 2);
  EXPECT_EQ(plan.variants[1].lowest_layer, 2);
  EXPECT_TRUE(plan.variants[1].is_layered);
  EXPECT_THAT(plan.variants[1].sites, ElementsAre(3u));
}

TEST(SweepPlan, MeasuresASiteWithoutLayersOnce) {
  const auto plan = plan_sweep(question({"a:logits", "w:output"}, {"bf16"}, true), model());
  EXPECT_THAT(names(plan), ElementsAre("a:logits=bf16", "w:output=bf16"));
  EXPECT_EQ(plan.notes.size(), 2u);
  EXPECT_FALSE(plan.variants[1].is_layered);
  EXPECT_EQ(plan.variants[1].lowest_layer, 0);
}

TEST(SweepPlan, ShardsPartitionThePlan) {
  const auto both = question({"a:ffn_out", "w:ffn_down"}, {"bf16", "e4m3"}, true);
  const auto whole = names(plan_sweep(both, model()));
  std::vector<std::string> all;
  for (int shard = 1; shard <= 5; ++shard) {
    auto plan = plan_sweep(both, model());
    take_shard(plan, shard, 5);
    EXPECT_LE(plan.variants.size(), 3u);
    for (const auto& name : names(plan)) all.push_back(name);
  }
  EXPECT_THAT(all, testing::UnorderedElementsAreArray(whole));
}

TEST(SweepPlan, LeavesOutFormatsThatRowsCannotBeHeldIn) {
  auto sites = model();
  for (auto& weight : sites.weights) weight.shape = {96, 4};
  sites.weights[1].shape = {128, 4};
  auto plan = plan_sweep(question({"w:ffn_down"}, {"int4,rotate=hadamard:64", "int8"}, true), sites);
  leave_out_misfits(plan, sites);
  EXPECT_THAT(names(plan), ElementsAre("w:ffn_down@1=int4,rotate=hadamard:64", "w:ffn_down@0=int8", "w:ffn_down@1=int8",
                                       "w:ffn_down@2=int8"));
  EXPECT_THAT(
      plan.notes,
      ElementsAre("w:ffn_down=int4,rotate=hadamard:64 is left out where rows are no whole blocks of the format."));
  // What leaves nothing is an error, which says more.
  plan = plan_sweep(question({"w:ffn_down@0"}, {"int4,rotate=hadamard:64"}), sites);
  leave_out_misfits(plan, sites);
  EXPECT_EQ(plan.variants.size(), 1u);
}

TEST(SweepPlan, RefusesInvalidFormatsAndUnmatchedSites) {
  EXPECT_THROW(plan_sweep(question({"a:ffn_nrm"}, {"bf16"}, true), model()), Error);
  EXPECT_THROW(plan_sweep(question({"a:ffn_out@7"}, {"bf16"}, true), model()), Error);
  EXPECT_THROW(plan_sweep(question({"w:ffn_down"}, {"int8,per=token"}), model()), Error);
}

}  // namespace
}  // namespace fakequant
