// What is done at the nodes; that the results are those of a whole evaluation is tested in hidden_states_test.cc.
#include "engine/layer_skip.h"

#include <gtest/gtest.h>

#include "engine/small_graph.h"
#include "error.h"

namespace fakequant {
namespace {

TEST(LayerSkip, DisablesNodesUntilTheLastOfThem) {
  const SmallGraph graph(1);
  DisabledNodes disabled;
  for (auto* node : graph.nodes()) node->flags |= GGML_TENSOR_FLAG_COMPUTE;
  disabled.disable(graph.nodes()[0]);
  EXPECT_EQ(graph.nodes()[0]->flags & GGML_TENSOR_FLAG_COMPUTE, 0);
  EXPECT_NE(graph.nodes()[1]->flags & GGML_TENSOR_FLAG_COMPUTE, 0);
  disabled.restore();
  EXPECT_NE(graph.nodes()[0]->flags & GGML_TENSOR_FLAG_COMPUTE, 0);
}

TEST(LayerSkip, TakesOnlyTheBatchesThatStatesWereKeptOf) {
  HiddenStates states;
  LayerSkip skip;
  skip.keep(states);
  skip.begin_evaluation({batch_of(2)});
  skip.begin_evaluation({batch_of(3)});
  ASSERT_EQ(states.batches.size(), 2u);
  skip.begin_from(states, 1);
  EXPECT_NO_THROW(skip.check({batch_of(2), batch_of(3)}));
  EXPECT_THROW(skip.check({batch_of(3)}), Error);
  skip.begin_evaluation({batch_of(2)});
  EXPECT_NO_THROW(skip.check({batch_of(3)}));
  EXPECT_THROW(skip.check({batch_of(3), batch_of(3)}), Error);
  skip.stop();
  EXPECT_FALSE(skip.is_active());
  EXPECT_NO_THROW(skip.check({batch_of(1)}));
}

TEST(LayerSkip, RefusesAGraphThatCannotBeBegunAtTheLayer) {
  const SmallWatch watch;
  const auto& graph = watch.graph({2, 2}).nodes;  // it reads no weights, and so has no layers
  const HiddenStates states;
  LayerSkip skip;
  EXPECT_EQ(skip.plan({2, 2}, graph, -1).size(), 0u);
  skip.begin_from(states, 1);
  EXPECT_THROW(skip.plan({2, 2}, graph, -1), Error);
}

TEST(LayerSkip, LeavesOutWhatFollowsTheLastThatIsWanted) {
  const SmallWatch watch;
  const auto& graph = watch.graph({2, 2}).nodes;
  HiddenStates none, kept;
  LayerSkip skip;
  skip.carry(none, 0, kept, 1);
  const auto last = static_cast<int>(graph.size()) - 1;
  EXPECT_EQ(skip.plan({2, 2}, graph, last).size(), 0u);
  const auto plan = skip.plan({2, 2}, graph, last - 1);
  EXPECT_EQ(plan.size(), 2u);  // the last is skipped, and its flag restored
  EXPECT_EQ(plan.first_node(0), static_cast<std::size_t>(last));
}

}  // namespace
}  // namespace fakequant
