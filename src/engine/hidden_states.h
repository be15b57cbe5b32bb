// What the layers of a model hand to each other while it reads some tokens: the hidden states, kept from one evaluation
// so that another, which differs only from some layer on, can begin there.
//
// They are kept for every boundary between two layers (layer_boundaries.h) and every batch that went through the graph:
// layers x tokens x width x 4 bytes in most models. That is one chunk's worth: 22 layers of width 2048 and 512 tokens
// take 92 MB.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "engine/graph_shape.h"
#include "engine/token_rows.h"

namespace fakequant {

struct HiddenState {
  std::string node;             // whose values they are
  std::vector<std::byte> data;  // as ggml has them
};

struct HiddenStates {
  struct Batch {
    TokenBatch tokens;
    std::map<int, HiddenState> of_node;  // by its index in the graph
  };
  std::vector<Batch> batches;  // in the order in which they were evaluated, from the text's beginning

  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const auto& batch : batches) {
      for (const auto& [node, state] : batch.of_node) bytes += state.data.size();
    }
    return bytes;
  }
};

// Where an evaluation begins that has hidden states to begin from.
struct StartingPoint {
  int layer = 0;          // the first that is computed; 0: the whole model is
  std::string why_whole;  // where it is: the reason, as the end of a sentence
};

}  // namespace fakequant
