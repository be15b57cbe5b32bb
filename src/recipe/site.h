// The sites of a model: where its values can be rounded, and the names by which a pattern can select each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// A weight by its tensor's name, "blk.3.ffn_up.weight", and which of its matrix products is meant: a layer that a model
// computes several times has several with the same weight.
struct WeightName {
  std::string name;
  std::optional<int> layer;            // none for a weight outside the layers
  std::optional<int> occurrence = {};  // among the products with this weight, in graph order; none for the only one

  bool operator==(const WeightName&) const = default;
};

// One of the names that llama.cpp gives a node. Several nodes may have the same name.
struct NodeName {
  std::string name;     // "Qcur-3"
  int occurrence = 0;   // among the nodes of this name, in graph order
  bool is_last = true;  // the bare name means the last

  // The name that no other node has: "Qcur-3" for the last, "Qcur-3#0" for the others.
  std::string unique() const;
};

// A weight tensor or a graph node.
struct Site {
  std::string name;          // the whole, unique name: "blk.3.ffn_norm.weight", "ffn_norm-3"
  std::optional<int> layer;  // none for a site outside the layers
  // Of an activation:
  std::vector<NodeName> node_names = {};  // the first of them is `name`; none where llama.cpp gave it none
  std::vector<WeightName> feeds = {};     // the weights whose matrix products read it
  bool is_logits = false;
  std::optional<WeightName> product_of = {};  // the weight whose matrix product it is the result of
  std::vector<std::string> roles = {};        // those that follow from the graph, such as k_cache and q; see selector.h
  bool is_cache_write = false;                // it is what is written into the cache or a state, for nodes to come
  // Of a weight:
  std::vector<std::int64_t> shape = {};  // as GGUF has it, the row first
};

// The word that selects a weight, "ffn_norm" for "blk.3.ffn_norm.weight"; empty for biases and other tensors whose name
// does not end with ".weight".
std::string weight_word(std::string_view name, std::optional<int> layer);

// The word that selects a node, "ffn_norm" for "ffn_norm-3".
std::string node_word(std::string_view name);

// The layer that a node's name ends with; none for a number that is no layer of the model.
std::optional<int> layer_of_node(std::string_view name, int layer_count);

}  // namespace fakequant
