// What the nodes of a graph and their order depend on.
#pragma once

#include <cstddef>
#include <utility>

#include "engine/token_rows.h"

namespace fakequant {

struct GraphShape {
  std::size_t tokens = 1;
  std::size_t outputs = 1;  // tokens whose logits are wanted

  bool operator==(const GraphShape&) const = default;
  bool operator<(const GraphShape& other) const {
    return std::pair(tokens, outputs) < std::pair(other.tokens, other.outputs);
  }
};

inline GraphShape shape_of(const TokenBatch& batch) { return {batch.positions.size(), batch.output_positions.size()}; }

}  // namespace fakequant
