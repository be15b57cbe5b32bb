#include "engine/starting_point.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

class StartingPoints : public testing::Test {
 protected:
  // Two batches; layer 1 begins after node 9, layer 2 after node 19.
  StartingPoints() : boundaries_{{1, 9, {9}, {}, {}}, {2, 19, {5, 19}, {}, {}}} {
    states_.batches.resize(2);
    for (auto& batch : states_.batches) batch.of_node = {{5, {}}, {9, {}}, {19, {}}};
  }

  StartingPoint find(int first_changed, int second_changed, int unchanged = 100) const {
    return find_starting_point(states_, {&boundaries_, &boundaries_}, {first_changed, second_changed}, unchanged);
  }

  std::vector<LayerBoundary> boundaries_;
  HiddenStates states_;
};

TEST_F(StartingPoints, AreTheDeepestThatLieBelowAllThatIsChanged) {
  EXPECT_EQ(find(20, 25).layer, 2);
  EXPECT_EQ(find(20, 19).layer, 1);
  EXPECT_EQ(find(10, 25).layer, 1);
  EXPECT_EQ(find(20, 20, 1).layer, 1);
  EXPECT_EQ(find(20, 20).why_whole, "");
  for (const auto& whole : {find(9, 25), find(25, 0), find(20, 20, 0)}) {
    EXPECT_EQ(whole.layer, 0);
    EXPECT_EQ(whole.why_whole, "the first layer is changed, or what comes before it");
  }
}

TEST_F(StartingPoints, AreWhereTheGraphAllowsItAndValuesWereKept) {
  states_.batches[1].of_node.erase(5);
  EXPECT_EQ(find(20, 20).layer, 1);
  boundaries_[0].obstacle = "ffn reads the cache that store-1 writes";
  EXPECT_EQ(find(20, 20).layer, 0);
  EXPECT_EQ(find(20, 20).why_whole, "no values were kept for layer 2");
  EXPECT_EQ(find(10, 10).why_whole, "ffn reads the cache that store-1 writes");
  EXPECT_EQ(find_starting_point({}, {}, {}, 100).why_whole, "no hidden states were kept");
}

}  // namespace
}  // namespace fakequant
