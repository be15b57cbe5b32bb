#include "engine/layer_boundaries.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A graph that is written down by hand, each node by its name.
class Sketch {
 public:
  // A node that reads nodes, weights ("blk.0.w") and what is neither: inputs, caches.
  Sketch& node(const std::string& name, const std::vector<std::string>& reads, std::size_t bytes = 64) {
    add(name, reads, bytes).memory = memory_of(name);
    return *this;
  }

  // One that writes into what is there already: a node, or a cache.
  Sketch& write(const std::string& name, const std::string& where, const std::vector<std::string>& reads,
                bool fills = false) {
    auto& added = add(name, reads, 64);
    added.is_in_place = true;
    added.fills_memory = fills;
    added.memory = memories_[name] = memory_of(where);
    return *this;
  }

  Sketch& view(const std::string& name, const std::string& of) {
    auto& added = add(name, {of}, 64);
    added.is_view = added.is_in_place = true;
    added.memory = memories_[name] = memory_of(of);
    return *this;
  }

  std::vector<LayerBoundary> boundaries() const { return find_layer_boundaries(graph_); }

  std::vector<std::string> skipped(const LayerBoundary& boundary) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < boundary.skipped.size(); ++i) {
      if (boundary.skipped[i]) names.push_back(graph_[i].name);
    }
    return names;
  }

  std::vector<std::string> restored(const LayerBoundary& boundary) const {
    std::vector<std::string> names;
    for (const int node : boundary.restored) names.push_back(graph_[static_cast<std::size_t>(node)].name);
    return names;
  }

 private:
  int memory_of(const std::string& name) {
    return memories_.try_emplace(name, static_cast<int>(memories_.size())).first->second;
  }

  GraphNode& add(const std::string& name, const std::vector<std::string>& reads, std::size_t bytes) {
    GraphNode node;
    node.name = name;
    node.bytes = bytes;
    node.fills_memory = true;
    for (const auto& read : reads) {
      GraphSource source;
      if (read.ends_with(".w")) source.weight = read;
      source.memory = memory_of(read);
      node.sources.push_back(source);
    }
    graph_.push_back(node);
    return graph_.back();
  }

  Graph graph_;
  std::map<std::string, int> memories_;
};

// Attention with a cache, its residual, the FFN and its residual; `more`: what else the FFN reads.
void add_layer(Sketch& sketch, int layer, const std::string& input, const std::vector<std::string>& more = {}) {
  const auto name = [&](const char* what) { return fmt::format("{}-{}", what, layer); };
  const auto weight = [&](const char* what) { return fmt::format("blk.{}.{}.w", layer, what); };
  sketch.node(name("norm"), {input, weight("norm")});
  sketch.write(name("store"), name("cache"), {name("norm")});
  sketch.view(name("keys"), name("cache"));
  sketch.node(name("attn"), {name("norm"), name("keys"), "mask", weight("attn")});
  sketch.node(name("residual"), {name("attn"), input});
  auto reads = std::vector<std::string>{name("residual"), weight("ffn")};
  reads.insert(reads.end(), more.begin(), more.end());
  sketch.node(name("ffn"), reads);
  sketch.node(name("out"), {name("ffn"), name("residual")});
}

TEST(LayerBoundaries, LieWhereOneHiddenStateEntersALayer) {
  Sketch sketch;
  sketch.node("embeddings", {"token_embd.w", "tokens"});
  add_layer(sketch, 0, "embeddings");
  add_layer(sketch, 1, "out-0");
  sketch.node("norm", {"out-1", "output_norm.w"}).node("logits", {"norm", "output.w"});
  const auto boundaries = sketch.boundaries();
  ASSERT_EQ(boundaries.size(), 2u);
  EXPECT_EQ(boundaries[0].layer, 1);
  EXPECT_EQ(boundaries[0].last, 7);
  EXPECT_EQ(boundaries[0].obstacle, "");
  EXPECT_THAT(sketch.restored(boundaries[0]), ElementsAre("out-0"));
  EXPECT_THAT(sketch.skipped(boundaries[0]),
              ElementsAre("embeddings", "norm-0", "store-0", "attn-0", "residual-0", "ffn-0", "out-0"));
  EXPECT_EQ(boundaries[1].layer, 2);
  EXPECT_EQ(boundaries[1].last, 14);
  EXPECT_THAT(sketch.restored(boundaries[1]), ElementsAre("out-1"));
}

TEST(LayerBoundaries, LeaveWhatNoLayerHadAPartInToBeComputedAgain) {
  Sketch sketch;
  sketch.node("embeddings", {"token_embd.w", "tokens"});
  sketch.node("other", {"other_embd.w", "tokens"}).node("scaled", {"other"});
  add_layer(sketch, 0, "embeddings", {"scaled"});
  add_layer(sketch, 1, "out-0", {"scaled"});
  sketch.node("logits", {"out-1", "output.w"});
  const auto boundary = sketch.boundaries()[0];
  EXPECT_THAT(sketch.restored(boundary), ElementsAre("out-0"));
  EXPECT_THAT(sketch.skipped(boundary),
              ElementsAre("embeddings", "norm-0", "store-0", "attn-0", "residual-0", "ffn-0", "out-0"));
}

TEST(LayerBoundaries, PutBackWhatLaterLayersReadAsWell) {
  Sketch sketch;
  sketch.node("embeddings", {"token_embd.w", "tokens"});
  add_layer(sketch, 0, "embeddings");
  add_layer(sketch, 1, "out-0");
  add_layer(sketch, 2, "out-1", {"attn-0"});
  sketch.node("logits", {"out-2", "output.w"});
  const auto boundaries = sketch.boundaries();
  EXPECT_THAT(sketch.restored(boundaries[0]), ElementsAre("attn-0", "out-0"));
  EXPECT_THAT(sketch.restored(boundaries[1]), ElementsAre("attn-0", "out-1"));
  EXPECT_THAT(sketch.restored(boundaries[2]), ElementsAre("out-2"));
}

TEST(LayerBoundaries, AreWhereTheLeastHasToBePutBack) {
  Sketch sketch;
  sketch.node("input", {"token_embd.w", "tokens"}).node("wide-0", {"input", "blk.0.up.w"}, 256);
  sketch.node("narrow-0", {"wide-0"}, 64).node("again-0", {"narrow-0"}, 128);
  sketch.node("logits", {"again-0", "blk.1.down.w"});
  EXPECT_THAT(sketch.restored(sketch.boundaries()[0]), ElementsAre("narrow-0"));
}

TEST(LayerBoundaries, AreNotWhereALaterLayerReadsTheCacheOfOneBelow) {
  Sketch sketch;
  sketch.node("embeddings", {"token_embd.w", "tokens"});
  add_layer(sketch, 0, "embeddings");
  add_layer(sketch, 1, "out-0");
  sketch.view("shared", "cache-1").node("attn-2", {"out-1", "shared", "blk.2.attn.w"});
  sketch.node("logits", {"attn-2", "output.w"});
  const auto boundaries = sketch.boundaries();
  EXPECT_EQ(boundaries[0].obstacle, "");
  EXPECT_EQ(boundaries[1].obstacle, "attn-2 reads the cache that store-1 writes");
  EXPECT_EQ(boundaries[2].obstacle, "");
}

TEST(LayerBoundaries, LetALaterLayersStateBeMadeReadyBeforeThem) {
  Sketch sketch;
  sketch.node("embeddings", {"token_embd.w", "tokens"}).node("mixed-0", {"embeddings", "blk.0.w"});
  sketch.write("zeroed-0", "state-0", {"state-0"}).write("zeroed-1", "state-1", {"state-1"});
  sketch.node("rows-1", {"zeroed-1"}).write("moved-1", "state-1", {"rows-1"});
  sketch.node("out-0", {"mixed-0", "blk.0.out.w"});
  sketch.node("mixed-1", {"out-0", "rows-1", "blk.1.w"}).write("kept-1", "state-1", {"mixed-1"});
  sketch.node("logits", {"mixed-1", "output.w"});
  const auto boundary = sketch.boundaries()[0];
  EXPECT_EQ(boundary.obstacle, "");
  EXPECT_THAT(sketch.restored(boundary), ElementsAre("out-0"));
  EXPECT_THAT(sketch.skipped(boundary), ElementsAre("embeddings", "mixed-0", "zeroed-0", "out-0"));
}

TEST(LayerBoundaries, KnowWhatIsComputedInPlace) {
  for (const bool fills : {true, false}) {
    Sketch sketch;
    sketch.node("embeddings", {"token_embd.w", "tokens"}).node("ffn-0", {"embeddings", "blk.0.w"});
    sketch.write("out-0", "ffn-0", {"embeddings"}, fills);
    sketch.node("ffn-1", {"out-0", "blk.1.w"}).node("logits", {"ffn-1", "output.w"});
    const auto boundary = sketch.boundaries()[0];
    if (fills) {
      EXPECT_THAT(sketch.restored(boundary), ElementsAre("out-0"));
      EXPECT_EQ(boundary.obstacle, "");
    } else {
      // Before it is written into, the value is whole, and the writing is computed.
      EXPECT_THAT(sketch.restored(boundary), ElementsAre("ffn-0"));
      EXPECT_THAT(sketch.skipped(boundary), ElementsAre("ffn-0"));
    }
  }
  Sketch sketch;
  sketch.node("ffn-0", {"tokens", "blk.0.a.w"}).write("out-0", "ffn-0", {"blk.0.b.w"});
  sketch.node("ffn-1", {"ffn-0", "blk.1.w"}).node("logits", {"ffn-1", "output.w"});
  EXPECT_EQ(sketch.boundaries()[0].obstacle, "ffn-1 reads a part of a value that out-0 writes");
}

TEST(LayerBoundaries, AreNotInLayersThatAreComputedAgain) {
  Sketch sketch;
  sketch.node("first-0", {"tokens", "blk.0.w"}).node("first-1", {"first-0", "blk.1.w"});
  sketch.node("second-0", {"first-1", "blk.0.w"}).node("second-1", {"second-0", "blk.1.w"});
  sketch.node("logits", {"second-1", "output.w"});
  const auto boundaries = sketch.boundaries();
  ASSERT_EQ(boundaries.size(), 2u);
  EXPECT_THAT(boundaries[0].obstacle, HasSubstr("begins before the layers below it have ended"));
  EXPECT_EQ(boundaries[1].obstacle, "");
  EXPECT_THAT(sketch.restored(boundaries[1]), ElementsAre("second-1"));
}

TEST(LayerBoundaries, AreNotInAGraphWithoutLayers) {
  EXPECT_THAT(Sketch().boundaries(), IsEmpty());
  EXPECT_THAT(Sketch().node("logits", {"token_embd.w"}).boundaries(), IsEmpty());
}

}  // namespace
}  // namespace fakequant
