// Keeps hidden states while llama.cpp computes, or puts them back and leaves out the layers below.
//
// A node that is not to be computed loses ggml's flag for those that are (GGML_TENSOR_FLAG_COMPUTE) when the scheduler
// asks for it, which is before it computes it; the back ends pass over such nodes. When the scheduler comes to the node
// whose values are to be put back, everything before it has been passed over and nothing behind it has begun: then its
// values are written. Behind the last skipped node all flags are given back, so that llama.cpp, which may use the graph
// again, finds it as it made it.
//
// The layers that are left out write nothing into their caches. So one text, from its first token on, begins at the
// same layer in every batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/hidden_states.h"
#include "engine/layer_boundaries.h"

struct ggml_tensor;

namespace fakequant {

class LayerSkip {
 public:
  // What is done from the next batch on, which is the first of a text. The states must live until it is stopped.
  void keep(HiddenStates& states);
  void begin_from(const HiddenStates& states, int layer);
  void stop();

  bool is_active() const { return kept_ != nullptr || given_ != nullptr; }
  int layer() const { return given_ == nullptr ? 0 : layer_; }  // where a batch begins; 0: it is computed whole

  // Throws an Error where the batches to come are not those that the states were kept of.
  void check(const std::vector<TokenBatch>& batches) const;

  // Of each batch: first this, with the boundaries of its graph; then ask() for each node in order, which says whether
  // its data is wanted, and deal_with() for each whose data is there; then end_batch().
  void begin_batch(const TokenBatch& batch, const std::vector<LayerBoundary>& boundaries);
  bool ask(std::size_t index, ggml_tensor* node);
  void deal_with(std::size_t index, ggml_tensor* node);
  void end_batch() { ++batch_; }

  // Gives the nodes their flags back, wherever in a batch it was left. The graph must still be there.
  void restore_flags();

 private:
  HiddenStates* kept_ = nullptr;
  const HiddenStates* given_ = nullptr;
  int layer_ = 0;
  std::size_t batch_ = 0;                    // of the text
  std::vector<bool> wanted_;                 // for each node up to the last that matters: to be kept, or to be put back
  const LayerBoundary* boundary_ = nullptr;  // where this batch is entered
  std::vector<std::pair<ggml_tensor*, std::int32_t>> flags_;  // of the nodes that lost one, as they were
};

// The deepest layer at which all the batches can be begun, of which states were kept, and which is not above
// `unchanged` layers. `boundaries` and `first_changed`: for each batch, those of its graph and the first node there
// that is rounded (the size of the graph where none is).
StartingPoint find_starting_point(const HiddenStates& states,
                                  const std::vector<const std::vector<LayerBoundary>*>& boundaries,
                                  const std::vector<int>& first_changed, int unchanged);

}  // namespace fakequant
