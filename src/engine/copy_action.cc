#include "engine/copy_action.h"

#include <map>
#include <utility>
#include <vector>

#include "engine/channel_groups.h"
#include "engine/named_sites.h"
#include "engine/node_values.h"
#include "engine/site_rounding.h"
#include "error.h"

namespace fakequant {
namespace {

struct RoundedCopy {
  std::size_t rule;
  SiteRounding rounding;
  CacheTokens cache_tokens;
};

// All copies of one node's values.
class CopiedSite : public NodeAction {
 public:
  CopiedSite(ActivationSite site, std::shared_ptr<const CopyViewer> viewer, int threads,
             std::shared_ptr<std::vector<float>> buffer)
      : site_(std::move(site)), viewer_(std::move(viewer)), threads_(threads), rounded_(std::move(buffer)) {}

  void add(RoundedCopy copy) { copies_.push_back(std::move(copy)); }

  void after(const NodeVisit& visit) override {
    const std::span<const float> values = read_values(visit.tensor, site_.site.name, visit.staging);
    if (values.empty()) return;
    const auto shape = shape_of(visit.tensor);
    for (const auto& copy : copies_) {
      rounded_->assign(values.begin(), values.end());
      about(site_.site.name, [&] { round(copy, shape, visit.tokens); });
      (*viewer_)(copy.rule, site_, values, *rounded_, shape[0]);
    }
  }

 private:
  void round(const RoundedCopy& copy, const NodeShape& shape, const TokenBatch& batch) {
    if (copy.cache_tokens.group > 0) {
      return round_groups_in_copy(copy.rounding, copy.cache_tokens, *rounded_, batch, threads_);
    }
    SiteCounters unused;
    round_site(copy.rounding, rounded_->data(), shape, batch, threads_, unused);
  }

  ActivationSite site_;
  std::shared_ptr<const CopyViewer> viewer_;
  int threads_;
  std::vector<RoundedCopy> copies_;
  std::shared_ptr<std::vector<float>> rounded_;  // of all sites
};

}  // namespace

void CopyAction::set_rules(const Recipe& rules, CopyViewer viewer) {
  rules_ = rules;
  viewer_ = rules.empty() || !viewer ? nullptr : std::make_shared<const CopyViewer>(std::move(viewer));
}

NodePlan CopyAction::plan(const WatchedGraph& graph) const {
  NodePlan plan;
  if (!is_active()) return plan;
  SiteFiles files;
  const auto buffer = std::make_shared<std::vector<float>>();
  std::map<int, std::shared_ptr<CopiedSite>> sites;  // by node
  for (std::size_t r = 0; r < rules_.size(); ++r) {
    for (const auto& named : find_named_sites({rules_[r]}, graph, watch_.layers())) {
      const auto dimension = watch_.token_dimension(named.site->site.name);
      try {
        RoundedCopy copy{r, make_site_rounding(*named.site, rules_[r], dimension, files), rules_[r].cache_tokens};
        auto& site = sites[named.site->node];
        if (!site) site = std::make_shared<CopiedSite>(*named.site, viewer_, threads_, buffer);
        site->add(std::move(copy));
      } catch (const Error& error) {
        if (error.failure() != Failure::usage) throw;
      }
    }
  }
  for (auto& [node, site] : sites) plan.act_after(static_cast<std::size_t>(node), std::move(site));
  return plan;
}

}  // namespace fakequant
