#include "engine/layer_skip.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <memory>
#include <set>

#include "engine/starting_point.h"
#include "error.h"

namespace fakequant {
namespace {

// Whether two tokens have the same position; their sequences may differ, which hidden states do not depend on.
bool is_same_position(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint32_t>(a) == static_cast<std::uint32_t>(b);
}

bool is_same_batch(const TokenBatch& a, const TokenBatch& b) {
  return a.tokens == b.tokens && std::ranges::equal(a.positions, b.positions, is_same_position) &&
         std::ranges::equal(a.output_positions, b.output_positions, is_same_position);
}

class KeepState : public NodeAction {
 public:
  KeepState(HiddenStates& states, const std::size_t& first_batch) : states_(states), first_batch_(first_batch) {}

  void after(const NodeVisit& visit) override {
    HiddenState state{visit.tensor->name, std::vector<std::byte>(ggml_nbytes(visit.tensor))};
    ggml_backend_tensor_get(visit.tensor, state.data.data(), 0, state.data.size());
    states_.batches[first_batch_ + visit.batch].of_node[static_cast<int>(visit.node)] = std::move(state);
  }

 private:
  HiddenStates& states_;
  const std::size_t& first_batch_;  // of the evaluation
};

class RestoreState : public NodeAction {
 public:
  RestoreState(const HiddenStates& states, const std::size_t& first_batch)
      : states_(states), first_batch_(first_batch) {}

  void after(const NodeVisit& visit) override {
    const auto& kept = states_.batches[first_batch_ + visit.batch].of_node;
    const auto state = kept.find(static_cast<int>(visit.node));
    if (state == kept.end() || state->second.node != visit.tensor->name ||
        state->second.data.size() != ggml_nbytes(visit.tensor)) {
      throw Error(fmt::format("no values were kept that fit {}", visit.tensor->name));
    }
    ggml_backend_tensor_set(visit.tensor, state->second.data.data(), 0, state->second.data.size());
  }

 private:
  const HiddenStates& states_;
  const std::size_t& first_batch_;
};

class SkipNode : public NodeAction {
 public:
  explicit SkipNode(DisabledNodes& disabled) : disabled_(disabled) {}
  void before(const NodeVisit& visit) override { disabled_.disable(visit.tensor); }

 private:
  DisabledNodes& disabled_;
};

class EndSkip : public NodeAction {
 public:
  explicit EndSkip(DisabledNodes& disabled) : disabled_(disabled) {}
  void after(const NodeVisit&) override { disabled_.restore(); }

 private:
  DisabledNodes& disabled_;
};

}  // namespace

void DisabledNodes::disable(ggml_tensor* node) {
  flags_.emplace_back(node, node->flags);
  node->flags &= ~GGML_TENSOR_FLAG_COMPUTE;
}

void DisabledNodes::restore() {
  for (const auto& [node, flags] : flags_) node->flags = flags;
  flags_.clear();
}

void LayerSkip::keep(HiddenStates& states) {
  stop();
  states.batches.clear();
  kept_ = &states;
}

void LayerSkip::begin_from(const HiddenStates& states, int layer) {
  stop();
  given_ = &states;
  layer_ = layer;
}

void LayerSkip::carry(const HiddenStates& from, int layer, HiddenStates& to, int kept_layer) {
  keep(to);
  if (layer > 0) given_ = &from;
  layer_ = layer;
  kept_layer_ = kept_layer;
  ends_early_ = true;
}

void LayerSkip::stop() {
  kept_ = nullptr;
  given_ = nullptr;
  kept_layer_ = kAllLayers;
  ends_early_ = false;
  first_ = next_ = 0;
}

const std::vector<LayerBoundary>& LayerSkip::boundaries(const GraphShape& shape, const Graph& graph) {
  const auto found = boundaries_.find(shape);
  return found != boundaries_.end() ? found->second
                                    : boundaries_.emplace(shape, find_layer_boundaries(graph)).first->second;
}

void LayerSkip::check(const std::vector<TokenBatch>& batches) const {
  for (std::size_t i = 0; given_ != nullptr && i < batches.size(); ++i) {
    const auto index = next_ + i;
    if (index < given_->batches.size() && is_same_batch(given_->batches[index].tokens, batches[i])) continue;
    throw Error(fmt::format("batch {} of this text is not the one that hidden states were kept of", index));
  }
}

void LayerSkip::begin_evaluation(const std::vector<TokenBatch>& batches) {
  if (kept_ != nullptr) {
    for (const auto& batch : batches) kept_->batches.push_back({batch, {}});
  }
  first_ = next_;
  next_ += batches.size();
}

int LayerSkip::plan_keep(const std::vector<LayerBoundary>& boundaries, NodePlan& plan) const {
  std::set<int> nodes;
  if (kept_layer_ == kAllLayers) {
    for (const auto& boundary : boundaries) {
      if (boundary.obstacle.empty()) nodes.insert(boundary.restored.begin(), boundary.restored.end());
    }
  } else {
    for (int layer = std::min(kept_layer_, static_cast<int>(boundaries.size())); layer > 0 && nodes.empty(); --layer) {
      const auto& boundary = *find_boundary(boundaries, layer);
      if (boundary.obstacle.empty()) nodes.insert(boundary.restored.begin(), boundary.restored.end());
    }
  }
  const auto keep = std::make_shared<KeepState>(*kept_, first_);
  for (const int node : nodes) plan.act_after(static_cast<std::size_t>(node), keep);
  return nodes.empty() ? -1 : *nodes.rbegin();
}

void LayerSkip::plan_begin(const std::vector<LayerBoundary>& boundaries, NodePlan& plan) {
  const auto* boundary = find_boundary(boundaries, layer_);
  if (boundary == nullptr || !boundary->obstacle.empty()) {
    throw Error(fmt::format("this graph cannot be begun at layer {}", layer_));
  }
  const auto skip = std::make_shared<SkipNode>(disabled_);
  for (std::size_t node = 0; node < boundary->skipped.size(); ++node) {
    if (boundary->skipped[node]) plan.act_before(node, skip);
  }
  const auto restore = std::make_shared<RestoreState>(*given_, first_);
  for (const int node : boundary->restored) plan.act_after(static_cast<std::size_t>(node), restore);
  plan.act_after(static_cast<std::size_t>(boundary->last), std::make_shared<EndSkip>(disabled_));
}

NodePlan LayerSkip::plan(const GraphShape& shape, const Graph& graph, int last_wanted) {
  NodePlan plan;
  if (!is_active()) return plan;
  const auto& all = boundaries(shape, graph);
  // States are put back before they are kept.
  if (given_ != nullptr) plan_begin(all, plan);
  if (kept_ != nullptr) last_wanted = std::max(last_wanted, plan_keep(all, plan));
  const auto first_left_out = static_cast<std::size_t>(last_wanted) + 1;  // of -1, too
  if (!ends_early_ || first_left_out >= graph.size()) return plan;
  const auto skip = std::make_shared<SkipNode>(disabled_);
  for (std::size_t node = first_left_out; node < graph.size(); ++node) {
    if (!graph[node].is_view) plan.act_before(node, skip);
  }
  plan.act_after(graph.size() - 1, std::make_shared<EndSkip>(disabled_));
  return plan;
}

}  // namespace fakequant
