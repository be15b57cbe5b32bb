// Where the graph of a model can be entered in the middle: between two layers.
//
// If only layers from L on are changed, what the layers below compute is known from the unchanged model. They need not
// be computed again if whatever reads them can be given what they had computed. In most models that is one node, the
// hidden state that enters layer L; some carry more from layer to layer (the first layer's values, what U-Net layers
// skip to). All that is found here in the graph, by who reads what, whatever the nodes are called:
//
// - The graph is cut between the last node that reads a weight of a layer below L and the first that multiplies what
//   came out of them by a weight of a layer from L on, where the least crosses the cut.
// - What crosses the cut is put back, except what the layers below had no part in: the embeddings, a mask in another
//   type, a later layer's state that is made ready early. That is computed again, with what it needs.
// - Where something after the cut reads what cannot be put back, such as the cache of a layer below, the graph cannot
//   be entered there; nor where the same layers are computed several times.
//
// Reading and writing is followed through memory, so that writing into a cache or a part of another node counts. A
// cache holds what earlier graphs wrote as well: if anything that is computed reads or writes it, all nodes that
// write to it are computed.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace fakequant {

struct LayerBoundary {
  int layer = 0;              // the first that is computed; the number of layers: only what follows them is
  int last = -1;              // the node before the cut
  std::vector<int> restored;  // nodes whose values must be put back, in order; none is a view
  std::vector<bool> skipped;  // for each node up to the cut, whether it is not computed
  std::string obstacle;       // why the graph cannot be entered here, or empty; then the above is valid
};

// The boundaries that enter layer 1, layer 2 and so on up to the one after the last layer of the graph. Of a
// graph without layers: none.
std::vector<LayerBoundary> find_layer_boundaries(const Graph& graph);

}  // namespace fakequant
