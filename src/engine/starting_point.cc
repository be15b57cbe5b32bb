#include "engine/starting_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fakequant {

const LayerBoundary* find_boundary(const std::vector<LayerBoundary>& boundaries, int layer) {
  const auto index = static_cast<std::size_t>(layer) - 1;
  return layer < 1 || index >= boundaries.size() ? nullptr : &boundaries[index];
}

StartingPoint find_starting_point(const HiddenStates& states,
                                  const std::vector<const std::vector<LayerBoundary>*>& boundaries,
                                  const std::vector<int>& first_changed, int unchanged) {
  if (states.batches.empty()) return {0, "no hidden states were kept"};
  std::size_t deepest = 0;
  for (const auto* of_graph : boundaries) deepest = std::max(deepest, of_graph->size());
  StartingPoint start{0, "the first layer is changed, or what comes before it"};
  bool is_blocked = false;
  for (int layer = std::min(static_cast<int>(deepest), unchanged); layer > 0; --layer) {
    bool is_below = true;  // of all that is changed
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
    if (is_below && !is_blocked) {
      is_blocked = true;
      start.why_whole = std::move(obstacle);
    }
  }
  return start;
}

}  // namespace fakequant
