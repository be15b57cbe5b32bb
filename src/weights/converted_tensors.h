// The tensors of a published model under the names, and in the order of values, that its GGUF file has.
//
// llama.cpp's converter (convert_hf_to_gguf.py and gguf-py's tensor_mapping.py) gives every tensor another name, stacks
// the experts' matrices, and for the llama architecture puts the rows of the query and key projections in another
// order: the two halves of each head, which the published model rotates against each other, are interleaved row by row.
#pragma once

#include <vector>

#include "gguf/gguf_model.h"
#include "weights/safetensors.h"
#include "weights/tensor_source.h"

namespace fakequant {

// One for each tensor that `model` has, and is found in `published`; then those of `published` that no name leads to,
// under their own. Both must outlive what is returned.
std::vector<TensorSource> converted_tensors(const SafetensorsModel& published, const GgufModel& model);

}  // namespace fakequant
