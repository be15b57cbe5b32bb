// The action that shows a viewer the values of chosen nodes: as the nodes that read them find them, after all rounding.
#pragma once

#include <memory>

#include "engine/graph_watch.h"
#include "engine/node_action.h"
#include "engine/observer.h"

namespace fakequant {

class ShowAction {
 public:
  // Shows `viewer` from now on all values of the nodes that are chosen in each graph, once in each evaluation. Without
  // a viewer nothing is shown.
  void set_viewer(SiteChoice choose, Observer viewer);

  NodePlan plan(const WatchedGraph& graph) const;
  bool is_active() const { return viewer_ != nullptr; }

 private:
  SiteChoice choose_;
  std::shared_ptr<const Observer> viewer_;
};

}  // namespace fakequant
