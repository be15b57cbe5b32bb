#include "engine/layer_skip.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>

#include "error.h"

namespace fakequant {
namespace {

void mark(std::vector<bool>& marks, const std::vector<int>& nodes) {
  for (const int node : nodes) {
    const auto place = static_cast<std::size_t>(node);
    if (marks.size() <= place) marks.resize(place + 1);
    marks[place] = true;
  }
}

// Boundaries are in the order of their layers, from the first on.
const LayerBoundary* find_boundary(const std::vector<LayerBoundary>& boundaries, int layer) {
  const auto place = static_cast<std::size_t>(layer) - 1;
  return layer < 1 || place >= boundaries.size() ? nullptr : &boundaries[place];
}

// Whether two places are the same position; sequences may differ, which hidden states know nothing of.
bool is_same_position(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint32_t>(a) == static_cast<std::uint32_t>(b);
}

bool is_same_batch(const TokenBatch& a, const TokenBatch& b) {
  return a.tokens == b.tokens && std::ranges::equal(a.places, b.places, is_same_position) &&
         std::ranges::equal(a.output_places, b.output_places, is_same_position);
}

}  // namespace

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

void LayerSkip::stop() {
  kept_ = nullptr;
  given_ = nullptr;
  batch_ = 0;
  wanted_.clear();
  boundary_ = nullptr;
}

void LayerSkip::check(const std::vector<TokenBatch>& batches) const {
  if (given_ == nullptr) return;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const auto place = batch_ + i;
    if (place < given_->batches.size() && is_same_batch(given_->batches[place].tokens, batches[i])) continue;
    throw Error(fmt::format("batch {} of this text is not the one that hidden states were kept of", place));
  }
}

void LayerSkip::begin_batch(const TokenBatch& batch, const std::vector<LayerBoundary>& boundaries) {
  wanted_.clear();
  boundary_ = nullptr;
  if (kept_ != nullptr) {
    kept_->batches.push_back({batch, {}});
    for (const auto& boundary : boundaries) {
      if (boundary.obstacle.empty()) mark(wanted_, boundary.restored);
    }
  } else if (given_ != nullptr) {
    boundary_ = find_boundary(boundaries, layer_);
    if (boundary_ == nullptr || !boundary_->obstacle.empty()) {
      throw Error(fmt::format("this graph cannot be begun at layer {}", layer_));
    }
    mark(wanted_, boundary_->restored);
    mark(wanted_, {boundary_->last});
  }
}

bool LayerSkip::ask(std::size_t index, ggml_tensor* node) {
  if (boundary_ != nullptr && index < boundary_->skipped.size() && boundary_->skipped[index]) {
    flags_.emplace_back(node, node->flags);
    node->flags &= ~GGML_TENSOR_FLAG_COMPUTE;
  }
  return index < wanted_.size() && wanted_[index];
}

void LayerSkip::deal_with(std::size_t index, ggml_tensor* node) {
  if (index >= wanted_.size() || !wanted_[index]) return;
  const int place = static_cast<int>(index);
  if (kept_ != nullptr) {
    HiddenState state{node->name, std::vector<std::byte>(ggml_nbytes(node))};
    ggml_backend_tensor_get(node, state.data.data(), 0, state.data.size());
    kept_->batches.back().of_node[place] = std::move(state);
    return;
  }
  if (std::find(boundary_->restored.begin(), boundary_->restored.end(), place) != boundary_->restored.end()) {
    const auto& states = given_->batches[batch_].of_node;
    const auto state = states.find(place);
    if (state == states.end() || state->second.node != node->name || state->second.data.size() != ggml_nbytes(node)) {
      throw Error(fmt::format("no values were kept that fit {}", node->name));
    }
    ggml_backend_tensor_set(node, state->second.data.data(), 0, state->second.data.size());
  }
  if (place == boundary_->last) restore_flags();
}

void LayerSkip::restore_flags() {
  for (const auto& [node, flags] : flags_) node->flags = flags;
  flags_.clear();
}

StartingPoint find_starting_point(const HiddenStates& states,
                                  const std::vector<const std::vector<LayerBoundary>*>& boundaries,
                                  const std::vector<int>& first_changed, int unchanged) {
  if (states.batches.empty()) return {0, "no hidden states were kept"};
  std::size_t deepest = 0;
  for (const auto* of_graph : boundaries) deepest = std::max(deepest, of_graph->size());
  StartingPoint start{0, "the first layer is changed, or what comes before it"};
  bool is_in_the_way = false;
  for (int layer = std::min(static_cast<int>(deepest), unchanged); layer > 0; --layer) {
    bool is_below = true;  // all that is changed
    std::string obstacle;
    for (std::size_t b = 0; b < states.batches.size(); ++b) {
      const auto* boundary = find_boundary(*boundaries[b], layer);
      if (boundary == nullptr) {
        obstacle = fmt::format("a graph has no layer {}", layer);
        continue;
      }
      if (boundary->last >= first_changed[b]) is_below = false;
      if (!boundary->obstacle.empty()) obstacle = boundary->obstacle;
      const auto& kept = states.batches[b].of_node;
      const bool is_kept = std::all_of(boundary->restored.begin(), boundary->restored.end(),
                                       [&](int node) { return kept.contains(node); });
      if (!is_kept && obstacle.empty()) obstacle = fmt::format("no values were kept for layer {}", layer);
    }
    if (is_below && obstacle.empty()) return {layer, {}};
    if (is_below && !is_in_the_way) {
      is_in_the_way = true;
      start.why_whole = std::move(obstacle);
    }
  }
  return start;
}

}  // namespace fakequant
