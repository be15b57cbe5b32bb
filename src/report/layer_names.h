// Tensors of the same kind in several layers, under one name: "blk.0-5.ffn_norm.weight".
#pragma once

#include <string>
#include <vector>

namespace fakequant {

// The name with '*' in place of the layer's number: the same for all tensors of a kind. The name itself if it
// belongs to no layer.
std::string layer_pattern(const std::string& name);

// The pattern with the numbers of these layers, in ascending order, in place of '*'.
std::string with_layers(std::string pattern, const std::vector<int>& layers);

}  // namespace fakequant
