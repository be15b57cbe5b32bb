// The action that rounds activations in place by the rules of a recipe, and counts what that did.
//
// Knows the sites that rules name and how a site is rounded. The self-check is here too: in each evaluation every value
// of a named site is rounded exactly once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/full_cache.h"
#include "engine/graph_watch.h"
#include "engine/node_action.h"
#include "engine/site_counters.h"
#include "engine/site_rounding.h"
#include "recipe/rule.h"

namespace fakequant {

class RoundedSite;

class RoundAction {
 public:
  // The watch must outlive this. What rules keep in full goes into `full_caches`.
  RoundAction(const GraphWatch& watch, int threads,
              std::shared_ptr<FullCaches> full_caches = std::make_shared<FullCaches>())
      : watch_(watch), threads_(threads), full_caches_(std::move(full_caches)) {}

  // Rounds by these rules from now on; all counters start at zero. Throws a usage error when a rule matches nothing,
  // when one has queries read the cache differently and other operations than products read it, and as
  // make_site_rounding does; then the recipe and the counters stay as they were. Returns the plan of each graph
  // that has been watched.
  std::map<GraphShape, NodePlan> set_recipe(const Recipe& recipe);

  // What is to be done in a graph. The counters of a site are the same in all graphs.
  NodePlan plan(const WatchedGraph& graph);

  bool is_active() const { return !sites_.empty(); }

  // Throws an Error where some site's values have not been rounded exactly once in each evaluation.
  void check() const;

  // Of the sites that the recipe names, in the order of GraphWatch::sites().
  std::vector<SiteCounters> counters() const;

 private:
  std::shared_ptr<RoundedSite> make_site(const ActivationSite& site, const Rule& rule);

  const GraphWatch& watch_;
  int threads_;
  std::shared_ptr<FullCaches> full_caches_;
  Recipe recipe_;
  std::map<std::string, std::shared_ptr<RoundedSite>> sites_;  // by name
  SiteFiles files_;
};

}  // namespace fakequant
