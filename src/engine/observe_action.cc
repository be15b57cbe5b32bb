#include "engine/observe_action.h"

#include <llama.h>

#include <utility>

#include "engine/named_sites.h"
#include "engine/node_values.h"
#include "engine/site_rounding.h"
#include "error.h"

namespace fakequant {
namespace {

class ObservedSite : public NodeAction {
 public:
  ObservedSite(ActivationSite site, TokenSet tokens, TokenDimension dimension, std::string refusal,
               std::shared_ptr<const Observer> observer)
      : site_(std::move(site)),
        tokens_(std::move(tokens)),
        dimension_(dimension),
        refusal_(std::move(refusal)),
        observer_(std::move(observer)) {}

  void after(const NodeVisit& visit) override {
    if (!refusal_.empty()) throw usage_error(refusal_);
    const auto values = read_values(visit.tensor, site_.site.name, visit.staging);
    const auto shape = shape_of(visit.tensor);
    about(site_.site.name, [&] { show(values, shape, visit.tokens); });
  }

 private:
  void show(std::span<const float> values, const NodeShape& shape, const TokenBatch& batch) const {
    const auto show_run = [&](std::span<const float> run) {
      if (!run.empty()) (*observer_)(site_, run, shape[0]);
    };
    if (tokens_.is_all()) return show_run(values);
    const auto layout = token_layout(shape, dimension_, batch);
    const auto length = static_cast<std::size_t>(layout.inner);
    for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
      for (std::int64_t t = 0; t < layout.tokens; ++t) {
        const auto position = static_cast<std::uint32_t>(layout.positions[static_cast<std::size_t>(t)]);
        if (!tokens_.contains(position)) continue;
        show_run(values.subspan(static_cast<std::size_t>(outer * layout.tokens + t) * length, length));
      }
    }
  }

  ActivationSite site_;
  TokenSet tokens_;
  TokenDimension dimension_;
  std::string refusal_;  // why tokens cannot be picked, for when the node is computed; empty where they can
  std::shared_ptr<const Observer> observer_;
};

}  // namespace

std::map<GraphShape, NodePlan> ObserveAction::set_observer(const Recipe& rules, Observer observer) {
  check_rules_match(rules, watch_);
  const auto shared = std::make_shared<const Observer>(std::move(observer));
  std::map<GraphShape, NodePlan> plans;
  for (const auto& [shape, graph] : watch_.graphs()) plans.emplace(shape, plan(graph, rules, shared));
  rules_ = rules;
  observer_ = shared;
  return plans;
}

NodePlan ObserveAction::plan(const WatchedGraph& graph, const Recipe& rules,
                             const std::shared_ptr<const Observer>& observer) const {
  NodePlan plan;
  for (const auto& named : find_named_sites(rules, graph, watch_.layers())) {
    const auto& rule = rules[named.rule];
    const auto& name = named.site->site.name;
    const auto dimension = watch_.token_dimension(name);
    auto refusal = refusal_of(name, rules, watch_, [&] { about(name, [&] { check_token_choice(dimension, rule); }); });
    plan.act_after(
        static_cast<std::size_t>(named.site->node),
        std::make_shared<ObservedSite>(*named.site, rule.pattern.tokens, dimension, std::move(refusal), observer));
  }
  return plan;
}

}  // namespace fakequant
