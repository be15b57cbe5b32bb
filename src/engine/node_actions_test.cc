// Each action by itself, on a small graph. What they do together in a model is tested in context_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/copy_action.h"
#include "engine/observe_action.h"
#include "engine/round_action.h"
#include "engine/show_action.h"
#include "engine/small_graph.h"
#include "error.h"
#include "format/ggml_types.h"

namespace fakequant {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;

class NodeActions : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_ggml_types(); }

  NodeActions() {
    for (std::size_t node = 0; node < 3; ++node)
      std::iota(graph_.values(node).begin(), graph_.values(node).end(), 1.1f);
  }

  const WatchedGraph& watched() const { return watch_.graph({2, 2}); }
  std::vector<float> values(std::size_t node) const {
    const auto values = graph_.values(node);
    return {values.begin(), values.end()};
  }

  SmallWatch watch_;
  SmallGraph graph_{2};
  TokenBatch batch_ = batch_of(2);
};

TEST_F(NodeActions, RoundWhatTheRecipeNamesAndCountEachValueOnce) {
  RoundAction rounding(watch_, 1);
  EXPECT_FALSE(rounding.is_active());
  const auto others = values(1);
  const auto plans = rounding.set_recipe({parse_rule("a:ffn_norm@tokens:1=int2,per=token")});
  act_after_all(plans.at({2, 2}), graph_, batch_);
  EXPECT_FLOAT_EQ(graph_.values(0)[0], 1.1f);  // of token 0
  EXPECT_THAT(graph_.values(0).subspan(4), Each(8.1f));
  EXPECT_EQ(values(1), others);
  EXPECT_NO_THROW(rounding.check());
  ASSERT_EQ(rounding.counters().size(), 1u);
  EXPECT_EQ(rounding.counters()[0].site, "ffn_norm-0");
  EXPECT_EQ(rounding.counters()[0].rows, 1);
  EXPECT_EQ(rounding.counters()[0].errors.elements, 4);
}

TEST_F(NodeActions, KeepTheRecipeWhereAnotherOneIsRefused) {
  RoundAction rounding(watch_, 1);
  rounding.set_recipe({parse_rule("a:ffn_norm=bf16")});
  EXPECT_THROW(rounding.set_recipe({parse_rule("a:nothing=bf16")}), Error);
  EXPECT_THROW(rounding.set_recipe({parse_rule("a:ffn_norm=ggml:q8_0")}), Error);  // of rows of 32
  act_after_all(rounding.plan(watched()), graph_, batch_);
  ASSERT_EQ(rounding.counters().size(), 1u);
  EXPECT_EQ(rounding.counters()[0].format, "bf16");
  EXPECT_EQ(rounding.counters()[0].errors.elements, 8);
}

TEST_F(NodeActions, ObserveTheTokensThatAreNamedAndChangeNothing) {
  ObserveAction observing(watch_);
  std::vector<float> seen;
  const auto plans =
      observing.set_observer({parse_rule("a:l_out@tokens:1=int2")},
                             [&](const ActivationSite& site, std::span<const float> run, std::int64_t columns) {
                               EXPECT_EQ(site.site.name, "l_out-0");
                               EXPECT_EQ(columns, 4);
                               seen.insert(seen.end(), run.begin(), run.end());
                             });
  const auto before = values(1);
  act_after_all(plans.at({2, 2}), graph_, batch_);
  EXPECT_THAT(seen, ElementsAreArray(before.begin() + 4, before.end()));
  EXPECT_EQ(values(1), before);
  EXPECT_THROW(observing.set_observer({parse_rule("a:nothing=bf16")}, {}), Error);
  EXPECT_TRUE(observing.is_active());
  observing.set_observer({}, {});
  EXPECT_FALSE(observing.is_active());
}

TEST_F(NodeActions, ShowTheNodesThatAreChosen) {
  ShowAction showing;
  EXPECT_EQ(showing.plan(watched()).size(), 0u);
  std::vector<std::string> seen;
  showing.set_viewer([](const Graph&, const std::vector<ActivationSite>& sites) { return sites; },
                     [&](const ActivationSite& site, std::span<const float> all, std::int64_t) {
                       seen.push_back(site.site.name);
                       EXPECT_EQ(all.size(), 8u);
                     });
  act_after_all(showing.plan(watched()), graph_, batch_);
  EXPECT_THAT(seen, ElementsAre("ffn_norm-0", "l_out-0", "result_output"));
  showing.set_viewer({}, {});
  EXPECT_EQ(showing.plan(watched()).size(), 0u);
}

TEST_F(NodeActions, RoundCopiesEachRuleByItself) {
  CopyAction copies(watch_, 1);
  std::vector<std::size_t> rules;
  copies.set_rules({parse_rule("a:ffn_norm=int2"), parse_rule("a:ffn_norm=ggml:q8_0"), parse_rule("a:ffn_norm=e5m2")},
                   [&](std::size_t rule, const ActivationSite&, std::span<const float> before,
                       std::span<const float> after, std::int64_t) {
                     rules.push_back(rule);
                     EXPECT_FLOAT_EQ(before[0], 1.1f);
                     EXPECT_NE(after[0], before[0]);
                   });
  const auto before = values(0);
  act_after_all(copies.plan(watched()), graph_, batch_);
  EXPECT_THAT(rules, ElementsAre(0, 2));  // rows of 4 cannot be held in blocks of 32
  EXPECT_EQ(values(0), before);
}

}  // namespace
}  // namespace fakequant
