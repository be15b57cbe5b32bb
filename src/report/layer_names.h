// Tensors of the same kind in several layers, under one name: "blk.0-5.ffn_norm.weight".
#pragma once

#include <string>
#include <vector>

#include "gguf/gguf_file.h"

namespace fakequant {

// The layer_pattern() of a name with the numbers of these layers, in ascending order, in place of '*'.
std::string with_layers(std::string pattern, const std::vector<int>& layers);

}  // namespace fakequant
