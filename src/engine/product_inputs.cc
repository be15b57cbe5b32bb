#include "engine/product_inputs.h"

#include <fmt/format.h>
#include <llama.h>

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "error.h"

namespace fakequant {
namespace {

// The bytes of a tensor where the host can read them, as the tensor's strides say.
class HostBytes {
 public:
  explicit HostBytes(const ggml_tensor& tensor) {
    if (ggml_backend_buffer_is_host(tensor.buffer)) {
      data_ = static_cast<const std::byte*>(tensor.data);
      return;
    }
    copy_.resize(ggml_nbytes(&tensor));
    ggml_backend_tensor_get(&tensor, copy_.data(), 0, copy_.size());
    data_ = copy_.data();
  }

  const std::byte* at(std::size_t offset) const { return data_ + offset; }

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_ = nullptr;
};

// The node whose values the tensor shows, all of them.
const ggml_tensor* node_of(const ggml_tensor& input) {
  const auto* node = &input;
  while (node->view_src != nullptr && ggml_nelements(node->view_src) == ggml_nelements(node)) node = node->view_src;
  return node;
}

class ShownInputs : public NodeAction {
 public:
  ShownInputs(std::string weight, std::shared_ptr<const InputViewer> viewer)
      : weight_(std::move(weight)), viewer_(std::move(viewer)) {}

  void after(const NodeVisit& visit) override {
    const auto& node = *visit.tensor;
    if ((node.flags & GGML_TENSOR_FLAG_COMPUTE) == 0) return;
    const auto& input = *node.src[1];
    if (input.type != GGML_TYPE_F32 || input.nb[0] != sizeof(float)) return;
    const HostBytes bytes(input);
    if (node.op == GGML_OP_MUL_MAT_ID) {
      show_routed(node, input, bytes);
    } else {
      show_all(*node.src[0], input, bytes);
    }
  }

 private:
  void show(const ggml_tensor& input, const ggml_tensor* routes, const HostBytes& bytes, std::size_t offset,
            std::int64_t matrices, std::int64_t matrix) const {
    const auto* row = reinterpret_cast<const float*>(bytes.at(offset));
    (*viewer_)(
        {weight_, matrices, matrix, {row, static_cast<std::size_t>(input.ne[0])}, {&input, routes}, node_of(input)});
  }

  // The input [columns, rows, ...]: the matrices of the weight are repeated over the higher dimensions.
  void show_all(const ggml_tensor& weight, const ggml_tensor& input, const HostBytes& bytes) const {
    const auto matrices = weight.ne[2] * weight.ne[3];
    for (std::int64_t i3 = 0; i3 < input.ne[3]; ++i3) {
      for (std::int64_t i2 = 0; i2 < input.ne[2]; ++i2) {
        const auto matrix = i3 % weight.ne[3] * weight.ne[2] + i2 % weight.ne[2];
        for (std::int64_t i1 = 0; i1 < input.ne[1]; ++i1) {
          const auto offset = static_cast<std::size_t>(i1) * input.nb[1] + static_cast<std::size_t>(i2) * input.nb[2] +
                              static_cast<std::size_t>(i3) * input.nb[3];
          show(input, nullptr, bytes, offset, matrices, matrix);
        }
      }
    }
  }

  // The input [columns, experts of a token or 1, tokens], and the experts' numbers [experts of a token, tokens].
  void show_routed(const ggml_tensor& node, const ggml_tensor& input, const HostBytes& bytes) const {
    const auto& routes = *node.src[2];
    const HostBytes numbers(routes);
    const auto experts = node.src[0]->ne[2];
    for (std::int64_t token = 0; token < routes.ne[1]; ++token) {
      for (std::int64_t choice = 0; choice < routes.ne[0]; ++choice) {
        std::int32_t expert = 0;
        const auto at =
            static_cast<std::size_t>(token) * routes.nb[1] + static_cast<std::size_t>(choice) * routes.nb[0];
        std::memcpy(&expert, numbers.at(at), sizeof(expert));
        if (expert < 0 || expert >= experts) {
          throw Error(fmt::format("{} has {} experts, and a token was routed to number {}", weight_, experts, expert));
        }
        const auto offset = static_cast<std::size_t>(choice % input.ne[1]) * input.nb[1] +
                            static_cast<std::size_t>(token) * input.nb[2];
        show(input, &routes, bytes, offset, experts, expert);
      }
    }
  }

  std::string weight_;
  std::shared_ptr<const InputViewer> viewer_;
};

// The weight that a node multiplies with and whose inputs can be shown; null for others.
const std::string* weight_of_product(const GraphNode& node) {
  if (node.op != GGML_OP_MUL_MAT && node.op != GGML_OP_MUL_MAT_ID) return nullptr;
  const auto& source = node.sources.front();
  return source.weight.empty() || source.is_view ? nullptr : &source.weight;
}

}  // namespace

std::vector<std::string> weights_of_products(const Graph& graph) {
  std::vector<std::string> weights;
  for (const auto& node : graph) {
    if (const auto* weight = weight_of_product(node)) weights.push_back(*weight);
  }
  return weights;
}

void ProductInputs::set_viewer(InputViewer viewer, WeightChoice choose) {
  choose_ = std::move(choose);
  viewer_ = viewer ? std::make_shared<const InputViewer>(std::move(viewer)) : nullptr;
}

NodePlan ProductInputs::plan(const WatchedGraph& graph) const {
  NodePlan plan;
  if (!is_active()) return plan;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto* weight = weight_of_product(graph.nodes[i]);
    if (weight == nullptr || (choose_ && !choose_(*weight))) continue;
    plan.act_after(i, std::make_shared<ShownInputs>(*weight, viewer_));
  }
  return plan;
}

}  // namespace fakequant
