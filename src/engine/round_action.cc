#include "engine/round_action.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/cache_write.h"
#include "engine/channel_groups.h"
#include "engine/named_sites.h"
#include "engine/node_values.h"
#include "error.h"

namespace fakequant {

// A site in all graphs that compute it.
class RoundedSite : public NodeAction {
 public:
  RoundedSite(std::size_t index, int threads, SiteCounters counters)
      : index_(index), threads_(threads), counters_(std::move(counters)) {}

  void set_rounding(SiteRounding rounding) { rounding_ = std::move(rounding); }
  void refuse(std::string refusal) { refusal_ = std::move(refusal); }
  void keep_in_full(std::shared_ptr<FullCache> full, std::shared_ptr<FullCaches> caches) {
    full_ = std::move(full);
    full_caches_ = std::move(caches);
  }

  void after(const NodeVisit& visit) override {
    if (!refusal_.empty()) throw usage_error(refusal_);
    const auto values = read_values(visit.tensor, counters_.site, visit.staging);
    ++counters_.evaluations;
    if (full_) {
      about(counters_.site, [&] { full_->keep(*visit.tensor, visit.tokens); });
      full_caches_->add(whole_of(*visit.tensor), full_);
    }
    if (full_ && full_->tokens().group > 0) {
      expected_ += about(counters_.site,
                         [&] { return round_complete_groups(rounding_, *full_, visit.tokens, threads_, counters_); });
      return;
    }
    const auto rounded = about(counters_.site, [&] {
      return round_site(rounding_, values.data(), shape_of(visit.tensor), visit.tokens, threads_, counters_);
    });
    // Of a whole node ggml's own count is what is expected.
    expected_ += rounding_.tokens.is_all() ? elements_of(shape_of(visit.tensor)) : rounded;
    write_values(visit.tensor, values);
  }

  std::size_t index() const { return index_; }
  const SiteCounters& counters() const { return counters_; }

  void check() const {
    const auto rounded = counters_.errors.elements;
    if (rounded == expected_ && (counters_.columns == 0 || rounded == counters_.rows * counters_.columns)) return;
    throw Error(fmt::format("{} values of {} were computed and {} rounded: this version of llama.cpp is not understood",
                            expected_, counters_.site, rounded));
  }

 private:
  std::size_t index_;  // among the sites of the model
  int threads_;
  SiteRounding rounding_;
  std::string refusal_;  // why the site cannot be rounded, for when it is computed; empty where it can
  SiteCounters counters_;
  std::int64_t expected_ = 0;        // values to be rounded
  std::shared_ptr<FullCache> full_;  // of rules by which queries read it differently; otherwise null
  std::shared_ptr<FullCaches> full_caches_;
};

namespace {

// The operation that reads this memory and is no product that is computed in reference_arithmetic.h; empty where all
// are. Latent attention copies its values out of the cache first.
std::string other_reader_of(const Graph& graph, int memory) {
  for (const auto& node : graph) {
    if (node.is_view || node.cache_write) continue;
    for (std::size_t s = 0; s < node.sources.size(); ++s) {
      if (node.sources[s].memory != memory || (node.op == GGML_OP_MUL_MAT && s == 0)) continue;
      if (node.op != GGML_OP_CONT || node.memory == memory) return node.operation;
      if (auto reader = other_reader_of(graph, node.memory); !reader.empty()) return reader;
    }
  }
  return {};
}

void check_readers(const Graph& graph, const ActivationSite& site) {
  const auto reader = other_reader_of(graph, graph[static_cast<std::size_t>(site.node)].memory);
  if (reader.empty()) return;
  throw usage_error(
      fmt::format("{}: {} reads this cache, each token in one way: keep=recent: and per=channel need attention by "
                  "matrix products, with flash attention off",
                  site.site.name, reader));
}

}  // namespace

std::map<GraphShape, NodePlan> RoundAction::set_recipe(const Recipe& recipe) {
  check_rules_match(recipe, watch_);
  auto recipe_before = std::exchange(recipe_, recipe);
  auto sites_before = std::exchange(sites_, {});
  auto caches_before = std::exchange(*full_caches_, {});
  files_ = {};
  try {
    std::map<GraphShape, NodePlan> plans;
    for (const auto& [shape, graph] : watch_.graphs()) plans.emplace(shape, plan(graph));
    return plans;
  } catch (...) {
    recipe_ = std::move(recipe_before);
    sites_ = std::move(sites_before);
    *full_caches_ = std::move(caches_before);
    throw;
  }
}

std::shared_ptr<RoundedSite> RoundAction::make_site(const ActivationSite& site, const Rule& rule) {
  const auto& name = site.site.name;
  auto rounded =
      std::make_shared<RoundedSite>(watch_.index_of(name), threads_, counters_of(site, rule, watch_.layers()));
  rounded->refuse(refusal_of(name, recipe_, watch_, [&] {
    rounded->set_rounding(make_site_rounding(site, rule, watch_.token_dimension(name), files_));
  }));
  if (depends_on_query(rule.cache_tokens)) {
    rounded->keep_in_full(std::make_shared<FullCache>(rule.cache_tokens), full_caches_);
  }
  return rounded;
}

NodePlan RoundAction::plan(const WatchedGraph& graph) {
  NodePlan plan;
  for (const auto& named : find_named_sites(recipe_, graph, watch_.layers())) {
    if (depends_on_query(recipe_[named.rule].cache_tokens)) check_readers(graph.nodes, *named.site);
    auto site = sites_.find(named.site->site.name);
    if (site == sites_.end()) {
      site = sites_.emplace(named.site->site.name, make_site(*named.site, recipe_[named.rule])).first;
    }
    plan.act_after(static_cast<std::size_t>(named.site->node), site->second);
  }
  return plan;
}

void RoundAction::check() const {
  for (const auto& [name, site] : sites_) site->check();
}

std::vector<SiteCounters> RoundAction::counters() const {
  std::vector<const RoundedSite*> order;
  for (const auto& [name, site] : sites_) order.push_back(site.get());
  std::stable_sort(order.begin(), order.end(),
                   [](const RoundedSite* a, const RoundedSite* b) { return a->index() < b->index(); });
  // Sites that only other graphs than the computed ones have are left out.
  const auto is_computed = [](const RoundedSite* site) { return site->counters().evaluations > 0; };
  const bool any_is_computed = std::any_of(order.begin(), order.end(), is_computed);
  std::vector<SiteCounters> all;
  for (const auto* site : order) {
    if (is_computed(site) || !any_is_computed) all.push_back(site->counters());
  }
  return all;
}

}  // namespace fakequant
