// Which activations of a graph a recipe names. Knows rules and watched graphs, and nothing of what is done there.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/graph_watch.h"
#include "error.h"
#include "recipe/rule.h"

namespace fakequant {

struct NamedSite {
  const ActivationSite* site;  // of the graph
  std::size_t rule;            // the index of the rule that wins there
};

// In the graph's order. Rules that match nothing in this graph are no error.
std::vector<NamedSite> find_named_sites(const Recipe& recipe, const WatchedGraph& graph, int layers);

// Throws as match_sites does when a rule matches no site of the model.
void check_rules_match(const Recipe& recipe, const GraphWatch& watch);

// Whether the recipe names a site in every graph: who reads a value may depend on the number of tokens.
bool is_named_in_every_graph(const std::string& site, const Recipe& recipe, const GraphWatch& watch);

// Runs a check that throws usage errors about a site that the recipe names. Returns the error's message, or an empty
// string. A site that is named in some graphs only may never be computed there; then the message is for when it is.
// For a site that is named in every graph the error is thrown at once.
template <typename Check>
std::string refusal_of(const std::string& site, const Recipe& recipe, const GraphWatch& watch, const Check& check) {
  try {
    check();
    return {};
  } catch (const Error& error) {
    if (error.failure() != Failure::usage || is_named_in_every_graph(site, recipe, watch)) throw;
    return error.what();
  }
}

}  // namespace fakequant
