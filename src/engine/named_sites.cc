#include "engine/named_sites.h"

#include <algorithm>

#include "recipe/site_match.h"

namespace fakequant {
namespace {

std::vector<Site> names_of(const std::vector<ActivationSite>& activations) {
  std::vector<Site> sites;
  for (const auto& activation : activations) sites.push_back(activation.site);
  return sites;
}

}  // namespace

std::vector<NamedSite> find_named_sites(const Recipe& recipe, const WatchedGraph& graph, int layers) {
  const auto winners = winning_rules(recipe, names_of(graph.sites), layers);
  std::vector<NamedSite> named;
  for (std::size_t s = 0; s < winners.size(); ++s) {
    if (winners[s]) named.push_back({&graph.sites[s], *winners[s]});
  }
  return named;
}

void check_rules_match(const Recipe& recipe, const GraphWatch& watch) {
  match_sites(recipe, names_of(watch.sites()), watch.layers());
}

bool is_named_in_every_graph(const std::string& site, const Recipe& recipe, const GraphWatch& watch) {
  return std::all_of(watch.graphs().begin(), watch.graphs().end(), [&](const auto& entry) {
    const auto* found = find_site(entry.second.sites, site);
    return found != nullptr && winning_rules(recipe, {found->site}, watch.layers())[0].has_value();
  });
}

}  // namespace fakequant
