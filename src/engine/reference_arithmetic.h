// Reference arithmetic: the actions that compute, in float32, what llama.cpp's kernels would round.
//
// llama.cpp's products round their inputs to the type that goes with the weights' (F16, blocks of 8-bit integers), and
// its GELU goes through a table in F16. Here llama.cpp is kept from computing those nodes (they lose ggml's flag for
// nodes that are to be computed, as in layer_skip.h), and their results are written when it hands the nodes over: from
// the exact values of the weights and of the cache, and the inputs as they are. So nothing is rounded that no rule
// names. Everything else (norms, rotations, softmax, sums) llama.cpp computes in float32 by itself, as long as
// attention is not fused: its kernel of flash attention rounds keys and values to F16.
//
// Products with attention's cache read some tokens in full where rules say so (full_cache.h).
//
// Where a rule gives a product an accumulator, the product's sums are kept in that (accumulated_product.h,
// integer_product.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/changed_weights.h"
#include "engine/full_cache.h"
#include "engine/graph_watch.h"
#include "engine/matrix_product.h"
#include "engine/node_action.h"
#include "recipe/rule.h"

namespace fakequant {

// Streamed weights by name.
using StreamedWeights = std::map<std::string, ChangedWeight, std::less<>>;

class ReferenceArithmetic {
 public:
  // The watch must outlive this. `full_caches`: where what rules keep in full is.
  ReferenceArithmetic(const GraphWatch& watch, std::shared_ptr<const FullCaches> full_caches, int threads)
      : watch_(watch), full_caches_(std::move(full_caches)), threads_(threads) {}

  // Computes products and GELUs from now on, in every graph that is planned.
  void enable() { is_enabled_ = true; }
  bool is_active() const { return is_enabled_; }

  // Changes these weights when they are read; only while enabled, and before a graph is planned.
  void stream(const ChangedWeight& weight) { streamed_->insert_or_assign(weight.name, weight); }

  // The streamed weights that a graph reads in a way that is not computed here.
  std::vector<std::string> not_streamable(const Graph& graph) const;

  // Throws a usage error where a rule gives an accumulator, or has queries read the cache differently, and products are
  // not computed here.
  void check(const Recipe& recipe) const;

  // Keeps sums as these rules say, in every graph that is planned from now on. The recipe is one that check() and
  // check_rules_match() take.
  void set_recipe(const Recipe& recipe) { recipe_ = recipe; }

  // What is done in a graph. The actions throw an Error where a product's operands do not lie on the host.
  NodePlan plan(const WatchedGraph& graph) const;

 private:
  const GraphWatch& watch_;
  std::shared_ptr<const FullCaches> full_caches_;
  int threads_;
  bool is_enabled_ = false;
  Recipe recipe_;
  std::shared_ptr<ProductMemory> memory_ = std::make_shared<ProductMemory>();
  std::shared_ptr<StreamedWeights> streamed_ = std::make_shared<StreamedWeights>();
};

}  // namespace fakequant
