#include "engine/graph_watch.h"

#include <algorithm>
#include <set>
#include <utility>

namespace fakequant {

const ActivationSite* find_site(const std::vector<ActivationSite>& sites, const std::string& name) {
  const auto found =
      std::find_if(sites.begin(), sites.end(), [&](const ActivationSite& site) { return site.site.name == name; });
  return found == sites.end() ? nullptr : &*found;
}

void GraphWatch::end(const GraphShape& shape, int layers) {
  layers_ = layers;
  WatchedGraph watched;
  watched.nodes = recorder_->take();
  add_tensors(weights_, recorder_->weights());
  recorder_.reset();
  watched.sites = find_activation_sites(watched.nodes, layers);
  if (has_exact_products_) {
    for (auto& site : watched.sites) {
      for (auto& reader : site.readers) reader.rounds_to = "F32";
    }
  }
  graphs_[shape] = std::move(watched);
  if (shape == first_shapes().back()) sites_ = all_sites();
}

void GraphWatch::forget(const GraphShape& shape) {
  recorder_.reset();
  graphs_.erase(shape);
}

std::vector<ActivationSite> GraphWatch::all_sites() const {
  auto sites = graphs_.at({1, 1}).sites;
  std::set<std::string> names;
  for (const auto& site : sites) names.insert(site.site.name);
  for (auto site : graphs_.at({2, 2}).sites) {
    if (names.contains(site.site.name)) continue;
    const auto dimension = token_dimension(site.site.name);
    if (dimension.kind == TokenDimension::found && !dimension.is_of_view) site.shape[dimension.index] = 1;
    sites.push_back(std::move(site));
  }
  return sites;
}

std::size_t GraphWatch::index_of(const std::string& site) const {
  const auto* found = find_site(sites_, site);
  return found == nullptr ? sites_.size() : static_cast<std::size_t>(found - sites_.data());
}

TokenDimension GraphWatch::token_dimension(const std::string& site) const {
  const auto two = graphs_.find({2, 2}), three = graphs_.find({3, 3});
  if (two == graphs_.end() || three == graphs_.end()) return {};
  const auto* of_two = find_site(two->second.sites, site);
  const auto* of_three = find_site(three->second.sites, site);
  if (of_two != nullptr && of_three != nullptr) return find_token_dimension(of_two->shapes, of_three->shapes);
  // A value that is computed only for a single token belongs to that token as a whole.
  const auto* of_one = find_site(graphs_.at({1, 1}).sites, site);
  if (of_one == nullptr || of_one->shape[3] != 1) return {};
  return {TokenDimension::found, 3, false, {}};
}

}  // namespace fakequant
