#include "engine/layer_boundaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "gguf/gguf_file.h"

namespace fakequant {
namespace {

std::size_t at(int node) { return static_cast<std::size_t>(node); }

// What the nodes of a graph need of each other.
struct Dependencies {
  std::vector<std::vector<int>> needed;          // of each node: what last wrote where it reads or writes
  std::vector<int> last_reader;                  // of each node: the last that needs it; -1: none
  std::vector<std::vector<int>> caches;          // of each node: memory it reads or writes that lasts beyond the graph
  std::unordered_map<int, int> cache_last_used;  // by such memory: the last node that reads or writes it
  std::unordered_map<int, std::vector<int>> writes_of_cache;  // by such memory: the nodes that write there
};

Dependencies find_dependencies(const Graph& graph) {
  std::unordered_set<int> made_here, written;  // memories
  for (const auto& node : graph) {
    if (node.is_view) continue;
    written.insert(node.memory);
    if (!node.is_in_place) made_here.insert(node.memory);
  }
  Dependencies found;
  found.needed.resize(graph.size());
  found.caches.resize(graph.size());
  found.last_reader.assign(graph.size(), -1);
  std::unordered_map<int, int> last_writer;  // by memory
  for (int i = 0; i < static_cast<int>(graph.size()); ++i) {
    const auto& node = graph[at(i)];
    if (node.is_view) continue;
    const auto touch = [&](int memory) {
      if (!written.contains(memory)) return;
      if (!made_here.contains(memory)) {
        found.caches[at(i)].push_back(memory);
        found.cache_last_used[memory] = i;
      }
      const auto writer = last_writer.find(memory);
      if (writer == last_writer.end()) return;
      found.needed[at(i)].push_back(writer->second);
      found.last_reader[at(writer->second)] = i;
    };
    for (const auto& source : node.sources) touch(source.memory);
    touch(node.memory);
    last_writer[node.memory] = i;
    if (!made_here.contains(node.memory)) found.writes_of_cache[node.memory].push_back(i);
  }
  return found;
}

bool reads_a_weight(const GraphNode& node) {
  return std::any_of(node.sources.begin(), node.sources.end(),
                     [](const auto& source) { return !source.weight.empty(); });
}

// The layers of the weights that a node reads; -1: of none.
struct LayerRange {
  int lowest = -1;
  int highest = -1;
};

std::vector<LayerRange> find_layers(const Graph& graph) {
  std::vector<LayerRange> ranges;
  for (const auto& node : graph) {
    LayerRange range;
    for (const auto& source : node.sources) {
      const auto layer = layer_of_tensor(source.weight);
      if (!layer) continue;
      range.lowest = range.lowest < 0 ? *layer : std::min(range.lowest, *layer);
      range.highest = std::max(range.highest, *layer);
    }
    ranges.push_back(range);
  }
  return ranges;
}

// For each node, whether the layers below have a part in what it computes.
std::vector<bool> find_dependants(int layer, const std::vector<LayerRange>& layers, const Dependencies& dependencies) {
  std::vector<bool> dependants(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& needed = dependencies.needed[i];
    dependants[i] = (layers[i].lowest >= 0 && layers[i].lowest < layer) ||
                    std::any_of(needed.begin(), needed.end(), [&](int node) { return dependants[at(node)]; });
  }
  return dependants;
}

// A graph cut in two after a node.
class Cut {
 public:
  Cut(int last, const Graph& graph, const Dependencies& dependencies, const std::vector<bool>& dependants)
      : last_(last), graph_(&graph), dependencies_(&dependencies), dependants_(&dependants), computed_(at(last) + 1) {
    for (int i = 0; i <= last; ++i) {
      if (const int reader = dependencies.last_reader[at(i)]; reader > last) need(i, reader);
    }
    for (const auto& [cache, node] : dependencies.cache_last_used) {
      if (node > last) need_cache(cache, node);
    }
    while (!to_follow_.empty()) {
      const int node = to_follow_.back();
      to_follow_.pop_back();
      for (const int needed : dependencies.needed[at(node)]) need(needed, node);
      for (const int cache : dependencies.caches[at(node)]) need_cache(cache, node);
    }
  }

  // Less is better.
  auto cost() const {
    std::size_t bytes = 0;
    for (const int node : restored_) bytes += (*graph_)[at(node)].bytes;
    return std::tuple(!obstacle_.empty(), bytes, restored_.size(), computed_count_);
  }

  void describe(LayerBoundary& boundary) const {
    boundary.last = last_;
    boundary.restored = restored_;
    boundary.obstacle = obstacle_;
    boundary.skipped.resize(computed_.size());
    for (std::size_t i = 0; i < computed_.size(); ++i) boundary.skipped[i] = !computed_[i] && !(*graph_)[i].is_view;
  }

 private:
  // A node before the cut is needed: it is put back if the layers had a part in it, and else computed.
  void need(int node, int reader) {
    if (computed_[at(node)]) return;
    const auto& needed = (*graph_)[at(node)];
    if (!(*dependants_)[at(node)]) {
      computed_[at(node)] = true;
      ++computed_count_;
      to_follow_.push_back(node);
    } else if (dependencies_->writes_of_cache.contains(needed.memory)) {
      refuse(reader, "the cache", node);
    } else if (!needed.fills_memory) {
      refuse(reader, "a part of a value", node);
    } else {
      restored_.push_back(node);
    }
  }

  // A node that reads or writes a cache depends on every node that writes to it, also for earlier tokens.
  void need_cache(int cache, int reader) {
    if (!caches_.insert(cache).second) return;
    for (const int writer : dependencies_->writes_of_cache.at(cache)) {
      if (writer <= last_) need(writer, reader);
    }
  }

  void refuse(int reader, const char* what, int writer) {
    if (!obstacle_.empty()) return;
    obstacle_ = fmt::format("{} reads {} that {} writes", (*graph_)[at(reader)].name, what, (*graph_)[at(writer)].name);
  }

  int last_;
  const Graph* graph_;
  const Dependencies* dependencies_;
  const std::vector<bool>* dependants_;
  std::vector<bool> computed_;  // of the nodes before the cut
  std::size_t computed_count_ = 0;
  std::vector<int> restored_;
  std::string obstacle_;
  std::vector<int> to_follow_;
  std::unordered_set<int> caches_;
};

LayerBoundary find_boundary(int layer, bool is_behind_last, const Graph& graph, const std::vector<LayerRange>& layers,
                            const Dependencies& dependencies) {
  LayerBoundary boundary;
  boundary.layer = layer;
  const auto dependants = find_dependants(layer, layers, dependencies);
  // The cut is after one of the nodes from `first` to before `end`. The last node, the logits, is after every cut.
  const int count = static_cast<int>(graph.size());
  int first = 0, end = count - 1;
  for (int i = 0; i < count; ++i) {
    if (layers[at(i)].lowest >= 0 && layers[at(i)].lowest < layer) first = i;
    if (layers[at(i)].highest >= layer && dependants[at(i)]) end = std::min(end, i);
  }
  if (is_behind_last) {
    end = std::min(end, first + 1);
    while (end < count - 1 && !reads_a_weight(graph[at(end)])) ++end;
  }
  if (first >= end) {
    boundary.obstacle = fmt::format("layer {} begins before the layers below it have ended", layer);
    return boundary;
  }
  std::optional<Cut> best;
  for (int last = first; last < end; ++last) {
    Cut cut(last, graph, dependencies, dependants);
    if (!best || cut.cost() < best->cost()) best.emplace(std::move(cut));
  }
  best->describe(boundary);
  return boundary;
}

}  // namespace

std::vector<LayerBoundary> find_layer_boundaries(const Graph& graph) {
  const auto dependencies = find_dependencies(graph);
  const auto layers = find_layers(graph);
  int count = 0;
  for (const auto& range : layers) count = std::max(count, range.highest + 1);
  std::vector<LayerBoundary> boundaries;
  for (int layer = 1; layer <= count; ++layer) {
    boundaries.push_back(find_boundary(layer, layer == count, graph, layers, dependencies));
  }
  return boundaries;
}

}  // namespace fakequant
