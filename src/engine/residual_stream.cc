#include "engine/residual_stream.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "engine/layer_boundaries.h"
#include "gguf/gguf_file.h"

namespace fakequant {
namespace {

// What a part of the sum is made of, as bits.
enum Part : unsigned { kStream = 1, kAttention = 2, kFfn = 4 };

bool is_of_ffn(std::string_view weight) {
  constexpr std::array<std::string_view, 3> kWords = {".ffn", ".channel_mix", ".exp_probs"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return weight.find(word) != std::string_view::npos; });
}

// A layer's output as a sum.
class LayerSum {
 public:
  // `input`: what entered the layer, or -1.
  LayerSum(const Graph& graph, int layer, int input, int output) : graph_(graph), layer_(layer), input_(input) {
    expand(output);
  }

  // The whole part of the output that is of this kind and no other: the first that is found from the output on.
  int find(int node, Part part) const {
    if (parts_of(node) == part) return looked_through(node);
    if (!sums_.contains(node)) return -1;
    for (const auto& source : at(node).sources) {
      if (const int found = find(looked_through(source.node), part); found >= 0) return found;
    }
    return -1;
  }

 private:
  const GraphNode& at(int node) const { return graph_[static_cast<std::size_t>(node)]; }

  int looked_through(int node) const {
    while (node != input_ && (at(node).op == GGML_OP_GET_ROWS || at(node).op == GGML_OP_SCALE)) {
      const auto& source = at(node).sources[0];
      if (source.node < 0) break;
      node = source.node;
    }
    return node;
  }

  // Whether it is the sum of two nodes, value by value.
  bool is_sum(int node) const {
    const auto& sum = at(node);
    return sum.op == GGML_OP_ADD && sum.sources.size() == 2 &&
           std::all_of(sum.sources.begin(), sum.sources.end(), [&](const GraphSource& source) {
             return source.node >= 0 && elements_of(at(source.node).shape) == elements_of(sum.shape);
           });
  }

  void expand(int node) {
    node = looked_through(node);
    if (node == input_ || !is_sum(node) || !sums_.insert(node).second) return;
    for (const auto& source : at(node).sources) expand(source.node);
  }

  unsigned parts_of(int node) const {
    node = looked_through(node);
    if (node == input_) return kStream;
    if (!sums_.contains(node)) return parts_of_summand(node);
    unsigned parts = 0;
    for (const auto& source : at(node).sources) parts |= parts_of(source.node);
    return parts;
  }

  // By the weights of the layer that it was made with since the last sum.
  unsigned parts_of_summand(int summand) const {
    bool has_ffn = false, has_mixer = false;
    std::set<int> seen{summand};
    std::vector<int> to_follow{summand};
    while (!to_follow.empty()) {
      const int node = to_follow.back();
      to_follow.pop_back();
      for (const auto& source : at(node).sources) {
        if (layer_of_tensor(source.weight) == layer_) {
          has_ffn = has_ffn || is_of_ffn(source.weight);
          // A norm may serve both.
          has_mixer = has_mixer || (!is_of_ffn(source.weight) && source.weight.find("norm") == std::string::npos);
        }
        const bool ends = source.node < 0 || source.node == input_ || sums_.contains(source.node);
        if (!ends && seen.insert(source.node).second) to_follow.push_back(source.node);
      }
    }
    if (has_ffn && has_mixer) return kAttention | kFfn;
    return has_ffn ? kFfn : has_mixer ? kAttention : kStream;
  }

  const Graph& graph_;
  int layer_;
  int input_;
  std::set<int> sums_;
};

}  // namespace

std::vector<LayerStream> find_residual_stream(const Graph& graph) {
  std::vector<LayerStream> layers;
  int input = -1;
  for (const auto& boundary : find_layer_boundaries(graph)) {
    LayerStream stream;
    stream.layer = boundary.layer - 1;
    if (!boundary.restored.empty() && graph[static_cast<std::size_t>(boundary.restored.back())].computes) {
      stream.output = boundary.restored.back();
      const LayerSum sum(graph, stream.layer, input, stream.output);
      stream.attention = sum.find(stream.output, kAttention);
      stream.ffn = sum.find(stream.output, kFfn);
    }
    input = stream.output;
    layers.push_back(stream);
  }
  return layers;
}

std::vector<ActivationSite> unnamed_nodes(const std::vector<LayerStream>& stream, const Graph& graph,
                                          const std::vector<ActivationSite>& sites) {
  std::set<int> known;
  for (const auto& site : sites) known.insert(site.node);
  std::vector<ActivationSite> unnamed;
  const auto add = [&](const char* what, int layer, int index) {
    if (index < 0 || !known.insert(index).second) return;
    const auto& node = graph[static_cast<std::size_t>(index)];
    ActivationSite site;
    site.site.name = fmt::format("{} of layer {}", what, layer);
    site.site.layer = layer;
    site.node = index;
    site.shape = node.shape;
    site.operation = node.operation;
    unnamed.push_back(std::move(site));
  };
  for (const auto& layer : stream) {
    add("attention", layer.layer, layer.attention);
    add("FFN", layer.layer, layer.ffn);
    add("output", layer.layer, layer.output);
  }
  return unnamed;
}

}  // namespace fakequant
