// The action that shows a viewer what the products with weights read: each row that a matrix multiplies, with the
// weight's name and, where the weight holds several matrices, such as those of experts, which of them it was.
//
// A rule names a node, and rounds or observes all of its values. Here a row is seen once for each product that reads
// it, and only by those experts that it was routed to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph_watch.h"
#include "engine/node_action.h"

namespace fakequant {

// A row that a product reads. The references are valid during the call only.
struct ProductInput {
  const std::string& weight;   // the tensor's name in the model's file
  std::int64_t matrices = 1;   // that the weight holds
  std::int64_t matrix = 0;     // the one that is multiplied with the row
  std::span<const float> row;  // as many values as the weight has columns
  // Products of the same evaluation of a graph read the same rows where this is the same.
  std::pair<const void*, const void*> source = {};
  const void* node = nullptr;  // likewise, products read values of the same node, whatever rows each of them takes
};

using InputViewer = std::function<void(const ProductInput& input)>;
using WeightChoice = std::function<bool(const std::string& weight)>;  // empty: all

// The weights that the graph multiplies with and whose inputs can be shown, in the graph's order; some several times.
std::vector<std::string> weights_of_products(const Graph& graph);

class ProductInputs {
 public:
  // Shows `viewer` from now on every row of the inputs of the weights that are chosen, on one thread and in the order
  // of the graph; without a viewer nothing. Inputs that are not F32 and weights that are read as views are not shown.
  void set_viewer(InputViewer viewer, WeightChoice choose = {});

  NodePlan plan(const WatchedGraph& graph) const;
  bool is_active() const { return viewer_ != nullptr; }

 private:
  std::shared_ptr<const InputViewer> viewer_;
  WeightChoice choose_;
};

}  // namespace fakequant
