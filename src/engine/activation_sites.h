// The activations of a graph that a rule can name, and who reads them.
//
// A site is a node that computes, or what a node writes into attention's cache: "k_cache-3". The first has the name
// that llama.cpp gave it, or one that it gave to a reshaped view of all its values; a node without a name that feeds a
// weight's matrix product is called after that, "in(blk.3.ffn_down.weight)", and one that is the result of such a
// product after that, "out(blk.3.ssm_dt.weight)", with a number where the product is computed several times; one that
// plays a role inside attention after its role, "q-3". What has none of these cannot be named and is no site.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "recipe/site_match.h"

namespace fakequant {

// An operation that reads a site's values.
struct Reader {
  std::string node;       // the name of its result
  std::string operation;  // "MUL_MAT"
  std::string weight;     // that it multiplies by; empty where it is no product with a weight
  std::string rounds_to;  // the type to which the kernel rounds what it reads: "F16", "Q8_K"; "F32" for none; empty
                          // where that is not known
  std::optional<int> occurrence = {};  // of the product, as in WeightName
};

struct ActivationSite {
  Site site;
  int node = 0;                   // in the graph
  NodeShape shape{};              // of the values
  std::vector<NodeShape> shapes;  // this one, and those of the views that reshape the values
  std::string operation;
  std::vector<Reader> readers;
};

// In the graph's order. `layer_count`: of the model.
std::vector<ActivationSite> find_activation_sites(const Graph& graph, int layer_count);

// The operations that read each weight, by the weight's name.
std::map<std::string, std::vector<Reader>> readers_of_weights(const Graph& graph);

// The readers that a rule does not mean: for in(...) and roles those that read the value for another reason, such as a
// residual or another weight; for names those that are no product with a weight, where there are such products as well;
// for out(...) and roles inside attention none, since they mean the value and not who reads it.
std::vector<Reader> other_readers(const Rule& rule, const ActivationSite& site, int layer_count);

}  // namespace fakequant
