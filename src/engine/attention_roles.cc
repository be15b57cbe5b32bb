#include "engine/attention_roles.h"

#include <llama.h>

#include <algorithm>
#include <string_view>

#include "recipe/selector.h"

namespace fakequant {
namespace {

int source_node(const GraphNode& node, std::size_t source) {
  return source < node.sources.size() ? node.sources[source].node : -1;
}

bool is_product_without_weight(const GraphNode& node) {
  return node.op == GGML_OP_MUL_MAT && node.sources.size() > 1 && node.sources[0].weight.empty() &&
         node.sources[1].weight.empty();
}

// The product whose result becomes the scores, through what is done to each of its values: scaling, a soft cap, a bias.
int product_of_scores(const Graph& graph, int scores) {
  for (int node = scores; node >= 0; node = source_node(graph[static_cast<std::size_t>(node)], 0)) {
    const auto& at = graph[static_cast<std::size_t>(node)];
    if (is_product_without_weight(at)) return node;
    switch (at.op) {
      case GGML_OP_SCALE:
      case GGML_OP_UNARY:
      case GGML_OP_ADD:
      case GGML_OP_CONT:
        continue;
      default:
        return -1;
    }
  }
  return -1;
}

}  // namespace

std::map<int, std::vector<std::string>> find_attention_roles(const Graph& graph) {
  std::map<int, std::vector<std::string>> roles;
  const auto add = [&](int node, std::string_view role) {
    if (node < 0) return;
    auto& of_node = roles[node];
    if (std::find(of_node.begin(), of_node.end(), role) == of_node.end()) of_node.emplace_back(role);
  };
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const int index = static_cast<int>(i);
    if (graph[i].op == GGML_OP_FLASH_ATTN_EXT) {
      add(source_node(graph[i], 0), kQueriesRole);
      add(index, kAttentionResultRole);
    }
    if (graph[i].op != GGML_OP_SOFT_MAX) continue;
    const int scores = source_node(graph[i], 0), product = product_of_scores(graph, scores);
    const auto result = std::find_if(graph.begin() + index + 1, graph.end(), [&](const GraphNode& node) {
      return is_product_without_weight(node) && source_node(node, 1) == index;
    });
    if (product < 0 || result == graph.end()) continue;
    add(source_node(graph[static_cast<std::size_t>(product)], 1), kQueriesRole);
    add(scores, kAttentionScoresRole);
    add(index, kAttentionProbabilitiesRole);
    add(static_cast<int>(result - graph.begin()), kAttentionResultRole);
  }
  return roles;
}

}  // namespace fakequant
