// The action that shows an observer the values that rules name, as they were computed. Only the names and tokens of the
// rules count, not their formats.
#pragma once

#include <map>
#include <memory>

#include "engine/graph_watch.h"
#include "engine/node_action.h"
#include "engine/observer.h"
#include "recipe/rule.h"

namespace fakequant {

class ObserveAction {
 public:
  // The watch must outlive this.
  explicit ObserveAction(const GraphWatch& watch) : watch_(watch) {}

  // Shows the observer from now on what the rules name; without rules nothing. Throws a usage error when a rule matches
  // nothing, or picks tokens of a site whose tokens cannot be told apart; then all stays as it was. Returns the plan of
  // each graph that has been watched.
  std::map<GraphShape, NodePlan> set_observer(const Recipe& rules, Observer observer);

  NodePlan plan(const WatchedGraph& graph) const { return plan(graph, rules_, observer_); }
  bool is_active() const { return !rules_.empty(); }

 private:
  NodePlan plan(const WatchedGraph& graph, const Recipe& rules, const std::shared_ptr<const Observer>& observer) const;

  const GraphWatch& watch_;
  Recipe rules_;
  std::shared_ptr<const Observer> observer_;
};

}  // namespace fakequant
