// For tests: a graph of three nodes in ggml, as llama.cpp would show it to a tap, without llama.cpp.
//
// Of so many tokens of four columns: node 0 is ffn_norm-0, node 1 l_out-0 and node 2 result_output. Nothing computes
// them; tests write their values.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/graph_watch.h"
#include "engine/node_action.h"

namespace fakequant {

class SmallGraph {
 public:
  static constexpr std::int64_t kColumns = 4;

  explicit SmallGraph(std::int64_t tokens)
      : context_(ggml_init({16 * ggml_tensor_overhead(), nullptr, true}), ggml_free), buffer_(nullptr, nullptr) {
    auto* input = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, kColumns, tokens);
    add(ggml_mul(context_.get(), input, input), "ffn_norm-0");
    add(ggml_add(context_.get(), nodes_[0], input), "l_out-0");
    add(ggml_mul(context_.get(), nodes_[1], input), "result_output");
    buffer_ = {ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), ggml_backend_cpu_buffer_type()),
               ggml_backend_buffer_free};
  }

  const std::vector<ggml_tensor*>& nodes() const { return nodes_; }
  std::span<float> values(std::size_t node) const {
    return {static_cast<float*>(nodes_[node]->data), static_cast<std::size_t>(ggml_nelements(nodes_[node]))};
  }

 private:
  void add(ggml_tensor* node, const char* name) {
    ggml_set_name(node, name);
    nodes_.push_back(node);
  }

  std::unique_ptr<ggml_context, decltype(&ggml_free)> context_;
  std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer_;
  std::vector<ggml_tensor*> nodes_;
};

// Tokens 0, 1 and so on of sequence 0, with the logits of all.
inline TokenBatch batch_of(std::size_t tokens) {
  TokenBatch batch;
  for (std::size_t t = 0; t < tokens; ++t) batch.positions.push_back(t);
  batch.output_positions = batch.positions;
  batch.tokens.assign(tokens, 7);
  return batch;
}

// A watch that has watched the small graphs of one, two and three tokens.
class SmallWatch : public GraphWatch {
 public:
  SmallWatch() {
    for (const auto& shape : first_shapes()) {
      const SmallGraph graph(static_cast<std::int64_t>(shape.tokens));
      begin();
      for (auto* node : graph.nodes()) note(node);
      end(shape, 1);
    }
  }
};

// Takes the steps of a plan after all nodes of a graph.
inline void act_after_all(const NodePlan& plan, const SmallGraph& graph, const TokenBatch& batch) {
  std::vector<float> staging;
  for (std::size_t node = 0; node < graph.nodes().size(); ++node) {
    const auto* steps = plan.find(node);
    if (steps == nullptr) continue;
    for (const auto& action : steps->after) action->after({node, graph.nodes()[node], 0, batch, staging});
  }
}

}  // namespace fakequant
