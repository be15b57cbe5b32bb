// At which layer a text can begin whose first layers an earlier evaluation has computed. Knows hidden states and layer
// boundaries; runs nothing.
#pragma once

#include <vector>

#include "engine/hidden_states.h"
#include "engine/layer_boundaries.h"

namespace fakequant {

// The boundary that enters a layer, of boundaries as find_layer_boundaries() returns them; null where there is none.
const LayerBoundary* find_boundary(const std::vector<LayerBoundary>& boundaries, int layer);

// The deepest layer, at most `unchanged`, at which every batch can begin and of which states were kept. `boundaries`
// and `first_changed`: for each batch, those of its graph and the first node there that is rounded (the number of nodes
// where none is).
StartingPoint find_starting_point(const HiddenStates& states,
                                  const std::vector<const std::vector<LayerBoundary>*>& boundaries,
                                  const std::vector<int>& first_changed, int unchanged);

}  // namespace fakequant
