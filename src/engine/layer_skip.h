// The action that keeps hidden states while llama.cpp computes, or puts them back and leaves out the layers below.
//
// A node that is not to be computed loses ggml's flag for those that are (GGML_TENSOR_FLAG_COMPUTE) when the scheduler
// asks for it, which is before it computes it; the back ends pass over such nodes. When the scheduler comes to the node
// whose values are to be put back, everything before it has been passed over and nothing after it has begun: then its
// values are written. After the last skipped node all flags are restored, so that llama.cpp, which may use the graph
// again, finds it as it made it.
//
// The layers that are left out write nothing into their caches. So one text, from its first token on, begins at the
// same layer in every batch.
//
// A text can also be carried through a part of the model: begun at one layer, kept at another, and ended after what is
// shown or rounded. What follows is left out likewise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/graph_shape.h"
#include "engine/hidden_states.h"
#include "engine/layer_boundaries.h"
#include "engine/node_action.h"

struct ggml_tensor;

namespace fakequant {

// The nodes that llama.cpp is not to compute, with the flags that they had.
class DisabledNodes {
 public:
  void disable(ggml_tensor* node);
  void restore();  // while the graph is still there

 private:
  std::vector<std::pair<ggml_tensor*, std::int32_t>> flags_;
};

class LayerSkip {
 public:
  // What is done from the next batch on, which is the first of a text. The states must live until it is stopped. The
  // plans that were made before are out of date.
  void keep(HiddenStates& states);
  void begin_from(const HiddenStates& states, int layer);
  // Both, and nothing is computed after what is wanted: what enters the deepest layer, at most `kept_layer`, that a
  // graph can be begun at is kept in `to`. A `layer` of 0 begins at the beginning.
  void carry(const HiddenStates& from, int layer, HiddenStates& to, int kept_layer);
  void stop();

  bool is_active() const { return kept_ != nullptr || given_ != nullptr; }
  int layer() const { return given_ == nullptr ? 0 : layer_; }  // where a batch begins; 0: it is computed whole

  // The boundaries of a graph, found when they are first asked for.
  const std::vector<LayerBoundary>& boundaries(const GraphShape& shape, const Graph& graph);

  // Throws an Error where the next batches of the text are not those of which the states were kept.
  void check(const std::vector<TokenBatch>& batches) const;

  // These are the next batches.
  void begin_evaluation(const std::vector<TokenBatch>& batches);

  // What is done in a graph as long as this text lasts. `last_wanted`: the last node at which something else is done;
  // -1 where nothing is. Throws an Error where it cannot be begun at the layer.
  NodePlan plan(const GraphShape& shape, const Graph& graph, int last_wanted);

  // Restores the flags of nodes, wherever in a batch it was left.
  void restore_flags() { disabled_.restore(); }

 private:
  void plan_begin(const std::vector<LayerBoundary>& boundaries, NodePlan& plan);
  int plan_keep(const std::vector<LayerBoundary>& boundaries, NodePlan& plan) const;  // the last node that is kept; -1

  static constexpr int kAllLayers = -1;

  HiddenStates* kept_ = nullptr;
  const HiddenStates* given_ = nullptr;
  int layer_ = 0;
  int kept_layer_ = kAllLayers;
  bool ends_early_ = false;
  std::size_t first_ = 0;  // the index in the text of the evaluation's first batch
  std::size_t next_ = 0;   // and of the batch after it
  DisabledNodes disabled_;
  std::map<GraphShape, std::vector<LayerBoundary>> boundaries_;
};

}  // namespace fakequant
