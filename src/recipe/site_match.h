// Which rule of a recipe decides over which site of a model.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/rule.h"

namespace fakequant {

// A weight by its tensor's name, "blk.3.ffn_up.weight".
struct WeightName {
  std::string name;
  std::optional<int> layer;  // none for what belongs to no layer

  bool operator==(const WeightName&) const = default;
};

// One of the names by which llama.cpp knows a node: several nodes may have the same.
struct NodeName {
  std::string name;     // "Qcur-3"
  int occurrence = 0;   // of the nodes of this name, in the graph's order
  bool is_last = true;  // which is what the bare name means

  // The name that no other node has: "Qcur-3" for the last, "Qcur-3#0" for the others.
  std::string unique() const;
};

// A place where values can be rounded: a weight tensor or a graph node.
struct Site {
  std::string name;          // the whole name, which no other site has: "blk.3.ffn_norm.weight", "ffn_norm-3"
  std::optional<int> layer;  // none for what belongs to no layer
  // Of an activation:
  std::vector<NodeName> node_names = {};  // the first of them is `name`; none where llama.cpp gave it none
  std::vector<WeightName> feeds = {};     // the weights whose matrix products read it
  bool is_logits = false;
};

// For each site the index of the rule in `recipe` that wins there, or none. All rules are of one
// kind, as are the sites.
// A bare word means, for weights, blk.N.WORD.weight (also enc.blk. and dec.blk.) or WORD.weight; for activations WORD-N
// or WORD. A weight's selector with a dot or a glob's letters is matched against the whole name; a whole name always
// matches. Layers are those of the site, and for in(...) and roles those of the weight.
// Throws a usage error when a rule matches no site, naming the nearest selectors, or when a layer is out of range.
std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, const std::vector<Site>& sites,
                                                    int layer_count);

// The same without a word about rules that match nothing.
std::vector<std::optional<std::size_t>> winning_rules(const Recipe& recipe, const std::vector<Site>& sites,
                                                      int layer_count);

// Whether an activation rule means the value that feeds this weight's product because it does: in(...) and roles.
bool means_input_of(const Rule& rule, const WeightName& weight, int layer_count);

// The word by which a weight is selected, "ffn_norm" for "blk.3.ffn_norm.weight"; empty for biases and the like.
std::string weight_word(std::string_view name, std::optional<int> layer);

// The word by which a node is selected, "ffn_norm" for "ffn_norm-3", and the layer that its name says.
std::string node_word(std::string_view name);
std::optional<int> layer_of_node(std::string_view name, int layer_count);

}  // namespace fakequant
