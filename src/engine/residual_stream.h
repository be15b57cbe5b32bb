// The nodes of a graph that a layer's story is told by: what leaves the layer, and what attention and the feed-forward
// part add to the stream on the way.
//
// They are found by who reads what, whatever they are called. What leaves a layer is what would have to be put back to
// enter the next one (layer_boundaries.h). It is a sum of sums: of what entered, of a part that was made with weights
// of the FFN, and of one that was made with the layer's other weights, which is attention or what replaces it. A part
// may itself be a sum (of experts). Choosing rows and scaling are looked through, as neither changes a relative error.
#pragma once

#include <vector>

#include "engine/activation_sites.h"

namespace fakequant {

// Indices into the graph; -1 where there is no such node, or none of which it can be said. Each computes.
struct LayerStream {
  int layer = 0;
  int output = -1;
  int attention = -1;
  int ffn = -1;
};

// One for each layer that the graph has.
std::vector<LayerStream> find_residual_stream(const Graph& graph);

// Those of its nodes that are none of the graph's `sites`, as llama.cpp gave them no name, made such: "attention of
// layer 3". No rule can name them.
std::vector<ActivationSite> unnamed_nodes(const std::vector<LayerStream>& stream, const Graph& graph,
                                          const std::vector<ActivationSite>& sites);

}  // namespace fakequant
