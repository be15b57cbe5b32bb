// An action: what is done at a node of the graph when llama.cpp comes to it. This is the interface of all actions.
//
// llama.cpp's scheduler asks for the nodes in order. It computes all nodes that it has asked for when it comes to one
// whose result is wanted; then it hands over that node, before anything reads its values. So an action has two hooks:
//
// - before(): the node has been asked for and is not computed. Nodes that were asked for just before it may not be
//   computed either: only the results of nodes at which some action acts afterwards are sure to be there.
// - after(): the node is computed, and nothing has read its values. What is written to it is what the rest of the model
//   sees.
//
// A NodePlan says which actions belong to which nodes of one graph. It is made once for a shape of graph, and again
// when what is to be done changes. An action knows its node's site and its own settings; it knows no other action.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "engine/token_rows.h"

struct ggml_tensor;

namespace fakequant {

struct NodeVisit {
  std::size_t node = 0;           // its index in the graph
  ggml_tensor* tensor = nullptr;  // valid during the call only
  std::size_t batch = 0;          // the index of the batch in the evaluation
  const TokenBatch& tokens;       // of that batch
  std::vector<float>& staging;    // a buffer for the values of a node that the host cannot reach
};

class NodeAction {
 public:
  NodeAction() = default;
  NodeAction(const NodeAction&) = delete;
  NodeAction& operator=(const NodeAction&) = delete;
  virtual ~NodeAction() = default;

  // Both may throw: the evaluation then ends with that exception.
  virtual void before(const NodeVisit&) {}
  virtual void after(const NodeVisit&) {}
};

class NodePlan {
 public:
  struct Steps {
    std::vector<std::shared_ptr<NodeAction>> before, after;
  };

  // Actions at the same node act in the order in which they were added.
  void act_before(std::size_t node, std::shared_ptr<NodeAction> action) { add(at(node).before, std::move(action)); }
  void act_after(std::size_t node, std::shared_ptr<NodeAction> action) { add(at(node).after, std::move(action)); }

  // What is done at a node; null where nothing is.
  const Steps* find(std::size_t node) const { return node < steps_.size() ? &steps_[node] : nullptr; }

  // Steps of all nodes: each must be taken once whenever the graph is computed.
  std::size_t size() const { return size_; }

  // The first node at which something is done; `otherwise` where nothing is.
  std::size_t first_node(std::size_t otherwise) const {
    const auto first = std::find_if(steps_.begin(), steps_.end(),
                                    [](const Steps& steps) { return !steps.before.empty() || !steps.after.empty(); });
    return first == steps_.end() ? otherwise : static_cast<std::size_t>(first - steps_.begin());
  }

  // How many nodes there are up to the last at which something is done.
  std::size_t nodes() const { return steps_.size(); }

 private:
  Steps& at(std::size_t node) {
    if (steps_.size() <= node) steps_.resize(node + 1);
    return steps_[node];
  }
  void add(std::vector<std::shared_ptr<NodeAction>>& steps, std::shared_ptr<NodeAction> action) {
    steps.push_back(std::move(action));
    ++size_;
  }

  std::vector<Steps> steps_;  // for each node up to the last at which something is done
  std::size_t size_ = 0;
};

}  // namespace fakequant
