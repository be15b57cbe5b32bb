// Streamed weights of native arithmetic: all of them share one memory.
//
// While the context evaluates, each streamed tensor of the loaded model has its changed type, and the address of the
// shared memory. Just before a node is computed that reads one, that one's values are rounded into it; embeddings that
// are looked up by a list of tokens, only their rows. What was read before has been computed by then, since such nodes
// are all asked back from llama.cpp (node_action.h). So llama.cpp's own kernels compute what they compute with a file
// that holds the changed weights, in the memory of the largest.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/changed_weights.h"
#include "engine/graph_watch.h"
#include "engine/node_action.h"
#include "engine/tensor_swaps.h"

struct ggml_backend_buffer;
struct ggml_backend_buffer_type;

namespace fakequant {

class RefilledWeights {
 public:
  explicit RefilledWeights(int threads) : threads_(threads) {}
  ~RefilledWeights();
  RefilledWeights(const RefilledWeights&) = delete;
  RefilledWeights& operator=(const RefilledWeights&) = delete;

  // Before any graph is watched. Tensors that the model does not have are left out. Throws an Error where ggml takes no
  // such tensor.
  void add(const ChangedWeight& weight, const ModelTensors& tensors);
  bool is_active() const { return !weights_.empty(); }

  // As those of TensorSwaps. The first install() throws an Error where there is no memory.
  void install();
  void remove() { swaps_.remove(); }

  // The weights of which a graph reads two at once, or which do not lie in the host's memory as in the file.
  std::vector<std::string> not_streamable(const Graph& graph) const;

  // What is done in a graph: refills.
  NodePlan plan(const WatchedGraph& graph);

  // Writes the weight's values to where the tensor lies: one that has been added, while installed. `rows`: those alone;
  // null: all.
  void refill(ggml_tensor& tensor, const std::vector<std::int64_t>* rows);

 private:
  void find_memory();

  int threads_;
  std::map<std::string, ChangedWeight, std::less<>> weights_;
  std::map<const ggml_tensor*, const ChangedWeight*> by_tensor_;
  std::vector<std::pair<ggml_tensor*, ggml_backend_buffer_type*>> tensors_;  // that are added, and lie nowhere yet
  std::map<ggml_backend_buffer_type*, ggml_backend_buffer*> memory_;         // for the largest tensor of each
  std::vector<std::string> elsewhere_;
  TensorSwaps swaps_;
};

}  // namespace fakequant
