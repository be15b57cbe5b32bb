// On the demo model: SOURCE names the checkout. On every architecture: architectures_test.cc.
#include "engine/residual_stream.h"

#include <fmt/format.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "engine/context.h"

namespace fakequant {
namespace {

// A graph that is written down by hand.
class Sketch {
 public:
  Sketch& node(const std::string& name, int op, const std::vector<std::string>& reads) {
    GraphNode node;
    node.name = name;
    node.op = op;
    node.shape = {8, 4, 1, 1};
    node.bytes = 128;
    node.computes = node.fills_memory = true;
    node.memory = memory_of(name);
    for (const auto& read : reads) {
      GraphSource source;
      if (const auto found = nodes_.find(read); found != nodes_.end()) source.node = found->second;
      if (source.node < 0) source.weight = read;
      source.memory = memory_of(read);
      node.sources.push_back(source);
    }
    nodes_[name] = static_cast<int>(graph_.size());
    graph_.push_back(node);
    return *this;
  }
  Sketch& add(const std::string& name, const std::string& a, const std::string& b) {
    return node(name, GGML_OP_ADD, {a, b});
  }
  Sketch& product(const std::string& name, const std::string& of, const std::string& weight) {
    return node(name, GGML_OP_MUL_MAT, {weight, of});
  }

  // "output attention ffn" of each layer.
  std::vector<std::string> streams() const {
    std::vector<std::string> texts;
    for (const auto& layer : find_residual_stream(graph_)) {
      texts.push_back(fmt::format("{} {} {}", name_of(layer.output), name_of(layer.attention), name_of(layer.ffn)));
    }
    return texts;
  }

 private:
  std::string name_of(int node) const { return node < 0 ? "-" : graph_[static_cast<std::size_t>(node)].name; }
  int memory_of(const std::string& name) {
    return memories_.try_emplace(name, static_cast<int>(memories_.size())).first->second;
  }

  Graph graph_;
  std::map<std::string, int> nodes_, memories_;
};

using Texts = std::vector<std::string>;

TEST(ResidualStream, IsFoundWhereTheFfnFollowsAttention) {
  Sketch sketch;
  sketch.product("in", "none", "token_embd.weight");
  for (const std::string layer : {"0", "1"}) {
    const auto input = layer == "0" ? "in" : "out-0";
    sketch.node("norm-" + layer, GGML_OP_MUL, {input, "blk." + layer + ".attn_norm.weight"});
    sketch.product("attn-" + layer, "norm-" + layer, "blk." + layer + ".attn_output.weight");
    sketch.node("bias-" + layer, GGML_OP_ADD, {"attn-" + layer, "blk." + layer + ".attn_output.bias"});
    sketch.add("mid-" + layer, "bias-" + layer, input);
    sketch.product("up-" + layer, "mid-" + layer, "blk." + layer + ".ffn_up.weight");
    sketch.product("one-" + layer, "up-" + layer, "blk." + layer + ".ffn_down_exps.weight");
    sketch.product("two-" + layer, "up-" + layer, "blk." + layer + ".ffn_down_shexp.weight");
    sketch.add("ffn-" + layer, "one-" + layer, "two-" + layer);
    sketch.node("scaled-" + layer, GGML_OP_SCALE, {"ffn-" + layer});
    sketch.add("out-" + layer, "scaled-" + layer, "mid-" + layer);
  }
  sketch.product("logits", "out-1", "output.weight");
  EXPECT_EQ(sketch.streams(), (Texts{"out-0 bias-0 ffn-0", "out-1 bias-1 ffn-1"}));
}

TEST(ResidualStream, IsFoundWhereBothReadTheSame) {
  Sketch sketch;
  sketch.product("in", "none", "token_embd.weight");
  sketch.node("norm", GGML_OP_MUL, {"in", "blk.0.attn_norm.weight"});
  sketch.product("attn", "norm", "blk.0.attn_output.weight").product("ffn", "norm", "blk.0.ffn_down.weight");
  sketch.add("both", "attn", "ffn").add("out", "both", "in").product("logits", "out", "output.weight");
  EXPECT_EQ(sketch.streams(), Texts{"out attn ffn"});
}

TEST(ResidualStream, SaysNothingOfPartsWhereALayerIsNoSum) {
  Sketch sketch;
  sketch.product("in", "none", "token_embd.weight").product("attn", "in", "blk.0.attn_output.weight");
  sketch.product("out", "attn", "blk.0.ffn_down.weight").product("logits", "out", "output.weight");
  EXPECT_EQ(sketch.streams(), Texts{"out - -"});
}

TEST(ResidualStream, OfTheDemoModel) {
  const Model model({std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"});
  Context context(model, {96, 1}, {});
  const auto& graph = context.graph({64, 64});
  const auto name_of = [&](int node) { return node < 0 ? "-" : graph[static_cast<std::size_t>(node)].name; };
  const auto layers = find_residual_stream(graph);
  ASSERT_EQ(layers.size(), 6u);
  for (const auto& layer : layers) {
    EXPECT_EQ(name_of(layer.output), fmt::format("l_out-{}", layer.layer));
    EXPECT_EQ(name_of(layer.attention), fmt::format("attn_out-{}", layer.layer));
    EXPECT_EQ(name_of(layer.ffn), fmt::format("ffn_out-{}", layer.layer));
  }
}

}  // namespace
}  // namespace fakequant
