// Walks the plans of node actions while llama.cpp computes: the callback of llama.cpp's scheduler.
//
// Every node is held against the graph that was watched (its position, its operation, its name), and every step of a
// plan must be taken exactly once in each batch; otherwise this version of llama.cpp is not understood, and the
// evaluation ends with an Error. Knows graphs, batches and plans. It does not know what any action does.
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <vector>

#include "engine/graph_shape.h"
#include "engine/graph_watch.h"
#include "engine/node_action.h"

struct ggml_tensor;

namespace fakequant {

// The kinds of actions, in the order in which they act after a node.
enum class Stage {
  refill,   // the weight that the node reads
  compute,  // in place of llama.cpp
  jitter,   // changes the embeddings a little
  copy,     // values as they were computed
  observe,  // likewise
  inputs,   // what a product with a weight has read
  round,    // changes them
  show,     // values as the nodes that read them find them
  skip,     // likewise; puts hidden states back and leaves nodes out
};
inline constexpr std::size_t kStages = 9;

class GraphWalk {
 public:
  // The watch must outlive this. `on_end` is called when a walk ends, at the first error and at the end of each
  // evaluation: what actions changed in the graph is put back there.
  GraphWalk(GraphWatch& watch, std::function<void()> on_end) : watch_(watch), on_end_(std::move(on_end)) {}
  GraphWalk(const GraphWalk&) = delete;  // llama.cpp holds its address
  GraphWalk& operator=(const GraphWalk&) = delete;

  // For llama_context_params: cb_eval and cb_eval_user_data (the walk). While the watch is watching, nodes are only
  // noted; between finish() and begin() nothing is done.
  static bool callback(ggml_tensor* node, bool ask, void* walk);

  // Plans of graphs that have been watched.
  void set_plans(Stage stage, std::map<GraphShape, NodePlan> plans) { plans_of(stage) = std::move(plans); }
  void set_plan(Stage stage, const GraphShape& shape, NodePlan plan);
  bool has_plan(Stage stage, const GraphShape& shape) const;

  // The first node of a graph at which a stage acts, from Stage::jitter to Stage::show; the number of nodes where none
  // does.
  std::size_t first_step(const GraphShape& shape) const;

  // Likewise the last; -1 where none does.
  int last_step(const GraphShape& shape) const;

  // Before an evaluation: the batches that will go through the graph. Their shapes have been watched.
  void begin(std::vector<TokenBatch> batches);

  // After it. Rethrows what went wrong inside the callback. Where the evaluation is complete, checks that every node
  // was met and every step taken exactly once.
  void finish(bool is_complete);

 private:
  std::map<GraphShape, NodePlan>& plans_of(Stage stage) { return plans_[static_cast<std::size_t>(stage)]; }
  bool ask(ggml_tensor* node);
  void answer(ggml_tensor* node);
  void begin_batch();
  void finish_batch() const;
  // What a stage does at a node of the current graph; null where that is nothing.
  const NodePlan::Steps* steps_at(std::size_t stage, std::size_t node) const {
    return current_[stage] == nullptr ? nullptr : current_[stage]->find(node);
  }
  bool is_left_out(std::size_t node) const;
  NodeVisit visit(std::size_t node, ggml_tensor* tensor) { return {node, tensor, batch_, batches_[batch_], staging_}; }

  GraphWatch& watch_;
  std::function<void()> on_end_;
  std::array<std::map<GraphShape, NodePlan>, kStages> plans_;

  // The evaluation in progress.
  bool is_walking_ = false;
  std::vector<TokenBatch> batches_;
  std::size_t batch_ = 0;
  const Graph* graph_ = nullptr;  // of the current batch; null before the first node of the evaluation
  std::array<const NodePlan*, kStages> current_{};  // its plans; null where a stage has none
  std::size_t asked_ = 0;                           // nodes of it
  std::size_t taken_ = 0;                           // steps in it
  std::vector<float> staging_;
  std::exception_ptr error_;
};

}  // namespace fakequant
