// The graph that llama.cpp computes for some number of tokens: its nodes in their order, and who reads whom.
//
// It is recorded while llama.cpp's scheduler asks, node by node, whether anybody wants the node's data; nothing of
// the tensors' addresses is kept. Views, reshapes, permutations and copies compute nothing: they show another node's
// values, and are followed to it.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/cache_write.h"
#include "engine/model_tensors.h"
#include "engine/token_rows.h"

struct ggml_tensor;

namespace fakequant {

// What an operation reads: a node's values, a weight, or neither (an input, the cache).
struct GraphSource {
  int node = -1;             // the one that computed the values; -1: not of this graph
  std::string weight;        // the tensor's name in the model's file
  bool is_view = false;      // a part of the weight, or one that is laid out otherwise
  int type = 0;              // ggml's type of the data as it is read
  int memory = -1;           // where it lies
  std::string packing = {};  // the layout in which ggml has packed the weight; see packed_weights.h
};

struct GraphNode {
  std::string name;       // llama.cpp's, or a number from ggml ("node_68"), or a view's with what was done to it
  int op = 0;             // ggml's operation
  std::string operation;  // its name, "MUL_MAT"
  int type = 0;           // ggml's type of the result
  NodeShape shape{};
  bool is_in_place = false;   // its data lies where another tensor's does
  bool is_view = false;       // a view, reshape, permutation or transposition: nothing is done
  bool computes = false;      // new F32 values, in memory of the graph
  bool is_on_host = true;     // its data can be reached without its back end
  bool keeps_order = false;   // of a view: the values lie as those of the computing node do
  int shows = -1;             // of a view: the computing node whose values it shows, all of them
  int memory = -1;            // where its data lies: views, and what is computed in place, share a number with
                              // what they are made of; so do the views of a weight, an input, a layer's cache
  bool fills_memory = false;  // its data is all that lies there, without gaps
  std::size_t bytes = 0;      // of its data
  std::optional<CacheWrite> cache_write;  // what it writes into attention's cache or a state
  std::vector<GraphSource> sources;       // as the operation has them, up to the last
};

using Graph = std::vector<GraphNode>;

// Records one graph.
class GraphRecorder {
 public:
  // The next node, in the order in which they are computed.
  void note(ggml_tensor* node);

  // The weights that the nodes read, by name. They belong to the model and outlive the graph.
  const ModelTensors& weights() const { return weights_; }

  Graph take();

 private:
  GraphSource source_of(ggml_tensor* tensor, bool is_factor);
  int root_of(const ggml_tensor* tensor) const;
  int values_of(int index) const;
  int memory_of(const ggml_tensor* tensor);

  Graph graph_;
  ModelTensors weights_;
  std::unordered_map<const ggml_tensor*, int> index_;   // of nodes, while the graph lasts
  std::unordered_map<const ggml_tensor*, int> memory_;  // of tensors that are views of no other, likewise
};

// Whether llama.cpp gave the name; ggml numbers the nodes without one ("node_68"), and lengthens the names of what
// views are made of ("ffn_norm-0 (reshaped)").
bool is_given_name(const std::string& name);

}  // namespace fakequant
