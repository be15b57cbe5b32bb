#include "engine/show_action.h"

#include <utility>

#include "engine/node_values.h"

namespace fakequant {
namespace {

class ShownSite : public NodeAction {
 public:
  ShownSite(ActivationSite site, std::shared_ptr<const Observer> viewer)
      : site_(std::move(site)), viewer_(std::move(viewer)) {}

  void after(const NodeVisit& visit) override {
    const auto values = read_values(visit.tensor, site_.site.name, visit.staging);
    if (!values.empty()) (*viewer_)(site_, values, shape_of(visit.tensor)[0]);
  }

 private:
  ActivationSite site_;
  std::shared_ptr<const Observer> viewer_;
};

}  // namespace

void ShowAction::set_viewer(SiteChoice choose, Observer viewer) {
  choose_ = std::move(choose);
  viewer_ = viewer ? std::make_shared<const Observer>(std::move(viewer)) : nullptr;
}

NodePlan ShowAction::plan(const WatchedGraph& graph) const {
  NodePlan plan;
  if (!is_active()) return plan;
  for (auto& site : choose_(graph.nodes, graph.sites)) {
    const auto node = static_cast<std::size_t>(site.node);
    plan.act_after(node, std::make_shared<ShownSite>(std::move(site), viewer_));
  }
  return plan;
}

}  // namespace fakequant
