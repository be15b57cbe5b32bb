#include "engine/graph_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/small_graph.h"
#include "error.h"

namespace fakequant {
namespace {

using testing::ElementsAre;

class Note : public NodeAction {
 public:
  Note(std::string name, std::vector<std::string>& notes) : name_(std::move(name)), notes_(notes) {}
  void before(const NodeVisit& visit) override { note("before", visit); }
  void after(const NodeVisit& visit) override { note("after", visit); }

 private:
  void note(const char* when, const NodeVisit& visit) {
    notes_.push_back(name_ + " " + when + " " + std::to_string(visit.batch) + ":" + std::to_string(visit.node));
  }
  std::string name_;
  std::vector<std::string>& notes_;
};

class Fail : public NodeAction {
 public:
  void after(const NodeVisit&) override { throw Error("no"); }
};

class GraphWalks : public testing::Test {
 protected:
  // As the scheduler does; stops at this node.
  void compute(std::size_t nodes = 3) {
    for (std::size_t node = 0; node < nodes; ++node) {
      auto* tensor = graph_.nodes()[node];
      if (GraphWalk::callback(tensor, true, &walk_) && !GraphWalk::callback(tensor, false, &walk_)) return;
    }
  }
  void plan(Stage stage, const std::shared_ptr<NodeAction>& action, std::size_t node) {
    NodePlan plan;
    plan.act_after(node, action);
    walk_.set_plan(stage, {2, 2}, std::move(plan));
  }

  SmallWatch watch_;
  SmallGraph graph_{2};
  int ends_ = 0;
  GraphWalk walk_{watch_, [this] { ++ends_; }};
  std::vector<std::string> notes_;
};

TEST_F(GraphWalks, TakeEachStepInTheOrderOfStages) {
  NodePlan computed, kept;
  computed.act_before(1, std::make_shared<Note>("compute", notes_));
  computed.act_after(1, std::make_shared<Note>("compute", notes_));
  walk_.set_plan(Stage::compute, {2, 2}, std::move(computed));
  kept.act_after(1, std::make_shared<Note>("skip", notes_));
  walk_.set_plan(Stage::skip, {2, 2}, std::move(kept));
  plan(Stage::show, std::make_shared<Note>("show", notes_), 1);
  plan(Stage::copy, std::make_shared<Note>("copy", notes_), 1);
  EXPECT_EQ(walk_.first_step({2, 2}), 1u);
  EXPECT_EQ(walk_.first_step({3, 3}), 3u);
  walk_.begin({batch_of(2), batch_of(2)});
  compute();
  compute();
  walk_.finish(true);
  EXPECT_THAT(notes_, ElementsAre("compute before 0:1", "compute after 0:1", "copy after 0:1", "show after 0:1",
                                  "skip after 0:1", "compute before 1:1", "compute after 1:1", "copy after 1:1",
                                  "show after 1:1", "skip after 1:1"));
  EXPECT_EQ(ends_, 1);
  notes_.clear();
  compute();  // nothing was begun
  walk_.finish(true);
  EXPECT_TRUE(notes_.empty());
}

TEST_F(GraphWalks, DoNothingElseAtANodeThatIsLeftOut) {
  NodePlan left_out;
  left_out.act_before(1, std::make_shared<Note>("skip", notes_));
  walk_.set_plan(Stage::skip, {2, 2}, std::move(left_out));
  NodePlan computed;
  for (const std::size_t node : {1, 2}) {
    computed.act_before(node, std::make_shared<Note>("compute", notes_));
    computed.act_after(node, std::make_shared<Note>("compute", notes_));
  }
  walk_.set_plan(Stage::compute, {2, 2}, std::move(computed));
  walk_.begin({batch_of(2)});
  compute();
  EXPECT_NO_THROW(walk_.finish(true));
  EXPECT_THAT(notes_, ElementsAre("skip before 0:1", "compute before 0:2", "compute after 0:2"));
}

TEST_F(GraphWalks, RefuseAGraphThatIsNotTheOneThatWasWatched) {
  plan(Stage::copy, std::make_shared<Note>("copy", notes_), 2);
  walk_.begin({batch_of(2)});
  compute(2);
  EXPECT_THROW(walk_.finish(true), Error);  // a node and a step are missing
  walk_.begin({batch_of(2)});
  compute(2);
  EXPECT_NO_THROW(walk_.finish(false));
  walk_.begin({batch_of(2), batch_of(2)});
  compute();
  EXPECT_THROW(walk_.finish(true), Error);  // a batch is
  walk_.begin({batch_of(2)});
  compute();
  compute();
  EXPECT_THROW(walk_.finish(true), Error);  // one batch too many
  walk_.begin({batch_of(2)});
  ggml_set_name(graph_.nodes()[1], "another");
  compute();
  EXPECT_THROW(walk_.finish(true), Error);
}

TEST_F(GraphWalks, RefuseAStepThatWasNotTaken) {
  plan(Stage::copy, std::make_shared<Note>("copy", notes_), 1);
  walk_.begin({batch_of(2)});
  for (auto* node : graph_.nodes()) GraphWalk::callback(node, true, &walk_);  // results are never handed over
  EXPECT_THROW(walk_.finish(true), Error);
}

TEST_F(GraphWalks, KeepWhatAnActionThrowsForTheEnd) {
  plan(Stage::round, std::make_shared<Fail>(), 0);
  walk_.begin({batch_of(2)});
  compute();
  EXPECT_EQ(ends_, 1);
  EXPECT_THROW(walk_.finish(false), Error);
  EXPECT_EQ(ends_, 2);
  EXPECT_NO_THROW(walk_.finish(false));
}

}  // namespace
}  // namespace fakequant
