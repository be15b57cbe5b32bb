// What llama.cpp's own kernels round their input to before they compute with it.
//
// A matrix product on the CPU takes its second operand in the type that goes with the first one's: F16 for F16 weights,
// blocks of 8-bit integers for quantized ones. A value that is rounded by a rule goes through that rounding as well,
// and so does the baseline's.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>

#include "engine/graph.h"

namespace fakequant {

// The type of ggml in which the CPU's product reads the other operand when one has this type, and lies in this packed
// layout (packed_weights.h). Source: the vec_dot_type of ggml's table of types for the CPU (ggml-cpu); AMX multiplies
// F16 weights by F32. None for types that are no operand of a product.
std::optional<int> product_input_type(int type, std::string_view packing = {});

// The same for a weight of the loaded model that is changed to this type. `tensors`: those of its name
// (model_tensors.h).
std::optional<int> input_type_of_changed(const std::map<ggml_tensor*, bool>& tensors, int type);

// The type of ggml to which a node's operation rounds its source of this number: F32 where it reads it as it is; none
// where that is not known, as on other devices, or depends on how many tokens there are.
std::optional<int> kernel_input_type(const GraphNode& node, std::size_t source);

}  // namespace fakequant
