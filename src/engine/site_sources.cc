#include "engine/site_sources.h"

#include <set>
#include <unordered_map>

namespace fakequant {
namespace {

class SourceFinder {
 public:
  SourceFinder(const Graph& graph, const std::vector<ActivationSite>& sites)
      : graph_(graph), site_of_node_(graph.size(), -1) {
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (sites[s].site.is_cache_write) continue;  // its values are those of the node that it writes
      site_of_node_[static_cast<std::size_t>(sites[s].node)] = static_cast<int>(s);
    }
    for (std::size_t i = 0; i < graph.size(); ++i) {
      if (!graph[i].is_view && !graph[i].computes) writers_[graph[i].memory].push_back(static_cast<int>(i));
    }
  }

  SiteSources of(int node) {
    seen_ = {node};
    sites_.clear();
    weights_.clear();
    follow(node);
    return {{sites_.begin(), sites_.end()}, {weights_.begin(), weights_.end()}};
  }

 private:
  void follow(int first) {
    std::vector<int> to_follow{first};
    const auto reach = [&](int node) {
      if (!seen_.insert(node).second) return;
      if (const int site = site_of_node_[static_cast<std::size_t>(node)]; site >= 0) {
        sites_.insert(static_cast<std::size_t>(site));
      } else {
        to_follow.push_back(node);
      }
    };
    while (!to_follow.empty()) {
      const auto& node = graph_[static_cast<std::size_t>(to_follow.back())];
      to_follow.pop_back();
      for (const auto& source : node.sources) {
        if (!source.weight.empty()) {
          weights_.insert(source.weight);
        } else if (source.node >= 0) {
          reach(source.node);
        } else if (const auto writers = writers_.find(source.memory); writers != writers_.end()) {
          for (const int writer : writers->second) reach(writer);
        }
      }
    }
  }

  const Graph& graph_;
  std::vector<int> site_of_node_;                      // -1: it is no site
  std::unordered_map<int, std::vector<int>> writers_;  // by memory: what is not followed to a computing node
  std::set<int> seen_;
  std::set<std::size_t> sites_;
  std::set<std::string> weights_;
};

}  // namespace

std::vector<SiteSources> find_site_sources(const Graph& graph, const std::vector<ActivationSite>& sites) {
  SourceFinder finder(graph, sites);
  std::vector<SiteSources> sources;
  for (const auto& site : sites) sources.push_back(finder.of(site.node));
  return sources;
}

}  // namespace fakequant
