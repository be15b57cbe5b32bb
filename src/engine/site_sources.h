// What each activation of a graph is made of: the other activations whose values go into it directly, and the weights.
//
// Nodes that are no site are looked through, and so are views, copies and the cache: what attention reads there is what
// was written there, by whichever node. A recurrent state is made of what the same graph will write, for the next.
#pragma once

#include <string>
#include <vector>

#include "engine/activation_sites.h"

namespace fakequant {

struct SiteSources {
  std::vector<std::size_t> sites;    // by their index among the sites, in order
  std::vector<std::string> weights;  // by their names in the file, in order of the name
};

// One for each of the graph's `sites`.
std::vector<SiteSources> find_site_sources(const Graph& graph, const std::vector<ActivationSite>& sites);

}  // namespace fakequant
