// The graphs that llama.cpp computes: which nodes they have, and which activations can be named in them.
//
// Who reads a value is known only when the whole graph has been asked for, and so is which node a rule means. So each
// shape of graph (that of one token, that of a chunk) is watched once: the scheduler asks for its nodes, and nothing is
// done at them. This file knows graphs and sites. It knows nothing of rules, of actions, and of what is evaluated.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "engine/graph.h"
#include "engine/graph_shape.h"

struct ggml_tensor;

namespace fakequant {

struct WatchedGraph {
  Graph nodes;
  std::vector<ActivationSite> sites;  // in the order of the nodes
};

class GraphWatch {
 public:
  // The shapes to watch first. They show which dimension of a node counts the tokens.
  static std::vector<GraphShape> first_shapes() { return {{1, 1}, {2, 2}, {3, 3}}; }

  // Between these two calls the nodes of one graph are noted, in their order. `layers`: of the model.
  void begin() { recorder_.emplace(); }
  void end(const GraphShape& shape, int layers);
  void cancel() { recorder_.reset(); }
  void forget(const GraphShape& shape);

  // Before any graph is watched: products read their inputs as they are, whatever the kernels of llama.cpp do.
  void assume_exact_products() { has_exact_products_ = true; }

  bool is_watching() const { return recorder_.has_value(); }
  void note(ggml_tensor* node) { recorder_->note(node); }

  bool has(const GraphShape& shape) const { return graphs_.contains(shape); }
  const WatchedGraph& graph(const GraphShape& shape) const { return graphs_.at(shape); }
  const std::map<GraphShape, WatchedGraph>& graphs() const { return graphs_; }

  // The activations that the graph of one token computes, in its order, then those that are computed only for several
  // tokens. Empty until all first shapes have been watched.
  const std::vector<ActivationSite>& sites() const { return sites_; }

  // The index of a site among those; their number for one that only other graphs have.
  std::size_t index_of(const std::string& site) const;

  // Which dimension of a site's values counts the tokens.
  TokenDimension token_dimension(const std::string& site) const;

  int layers() const { return layers_; }  // of the model

  // The model's weights that the watched graphs read.
  const ModelTensors& weights() const { return weights_; }

 private:
  std::vector<ActivationSite> all_sites() const;

  std::optional<GraphRecorder> recorder_;  // while a graph is watched
  std::map<GraphShape, WatchedGraph> graphs_;
  std::vector<ActivationSite> sites_;
  ModelTensors weights_;
  int layers_ = 0;
  bool has_exact_products_ = false;
};

// The site of this name; null where there is none.
const ActivationSite* find_site(const std::vector<ActivationSite>& sites, const std::string& name);

}  // namespace fakequant
