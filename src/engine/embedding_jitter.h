// The action that changes the embeddings by about 1e-6 of their size: the least that any other machine, or another
// order of sums, would change. How far a figure moves under it is the part of the figure that is chance.
//
// Each value is multiplied by 1 + 1e-6 u, u uniform with mean 0 and standard deviation 1, which follows from the seed,
// the token's position in its sequence, and the column alone.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/graph_watch.h"
#include "engine/node_action.h"

namespace fakequant {

inline constexpr double kJitter = 1e-6;

class EmbeddingJitter {
 public:
  void enable(std::uint64_t seed) { seed_ = seed; }
  bool is_active() const { return seed_.has_value(); }

  // What is done in a graph: at the first node that looks rows of a weight up, which are the embeddings of the tokens.
  // Throws an Error where there is none.
  NodePlan plan(const WatchedGraph& graph) const;

 private:
  std::optional<std::uint64_t> seed_;
};

}  // namespace fakequant
