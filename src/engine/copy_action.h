// The action that rounds copies of activations, each rule by itself and all in one evaluation, and shows them to a
// viewer. What the model computes stays as it is.
#pragma once

#include <memory>

#include "engine/graph_watch.h"
#include "engine/node_action.h"
#include "engine/observer.h"
#include "recipe/rule.h"

namespace fakequant {

class CopyAction {
 public:
  // The watch must outlive this.
  CopyAction(const GraphWatch& watch, int threads) : watch_(watch), threads_(threads) {}

  // From now on. The rules match something, as those that RoundAction has taken; a site that cannot be rounded by a
  // rule is left out of it. Without rules nothing is copied.
  void set_rules(const Recipe& rules, CopyViewer viewer);

  NodePlan plan(const WatchedGraph& graph) const;
  bool is_active() const { return viewer_ != nullptr; }

 private:
  const GraphWatch& watch_;
  int threads_;
  Recipe rules_;
  std::shared_ptr<const CopyViewer> viewer_;
};

}  // namespace fakequant
