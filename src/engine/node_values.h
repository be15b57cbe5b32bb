// The F32 values of a node that has been computed, wherever its back end keeps them. Those of a node that writes into
// attention's cache are what it writes (cache_write.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/token_rows.h"

struct ggml_tensor;

namespace fakequant {

NodeShape shape_of(const ggml_tensor* node);

// The values, row by row: in the node's own memory where the host can reach it, otherwise a copy in `staging`. `site`
// is the name for the Error that is thrown where the values are not contiguous.
std::span<float> read_values(const ggml_tensor* node, const std::string& site, std::vector<float>& staging);

// Writes back what read_values() returned and the caller changed.
void write_values(ggml_tensor* node, std::span<const float> values);

}  // namespace fakequant
