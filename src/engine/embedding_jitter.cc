#include "engine/embedding_jitter.h"

#include <llama.h>

#include <cmath>
#include <memory>
#include <vector>

#include "engine/node_values.h"
#include "error.h"
#include "format/random_words.h"

namespace fakequant {
namespace {

class JitterRows : public NodeAction {
 public:
  explicit JitterRows(std::uint64_t seed) : key_(random_key(seed, "embeddings")) {}

  void after(const NodeVisit& visit) override {
    const auto values = read_values(visit.tensor, visit.tensor->name, visit.staging);
    const auto tokens = visit.tokens.positions.size();
    const auto width = values.size() / tokens;
    std::vector<std::uint32_t> words(width);
    for (std::size_t t = 0; t < tokens; ++t) {
      fill_random_words({key_, visit.tokens.positions[t]}, 0, words);
      for (std::size_t i = 0; i < width; ++i) {
        const double uniform = (words[i] + 0.5) * 0x1p-31 - 1;  // in (-1, 1), of standard deviation 1 / sqrt(3)
        auto& value = values[t * width + i];
        value = static_cast<float>(double{value} * (1 + kJitter * std::sqrt(3.0) * uniform));
      }
    }
    write_values(visit.tensor, values);
  }

 private:
  std::uint64_t key_;
};

}  // namespace

NodePlan EmbeddingJitter::plan(const WatchedGraph& graph) const {
  NodePlan plan;
  if (!seed_) return plan;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    if (node.op != GGML_OP_GET_ROWS || !node.computes || node.sources.empty() || node.sources[0].weight.empty())
      continue;
    plan.act_after(i, std::make_shared<JitterRows>(*seed_));
    return plan;
  }
  throw Error("the model looks up no embeddings, which could be changed a little");
}

}  // namespace fakequant
