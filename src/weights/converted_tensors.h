// The tensors of a published model, named and ordered as in its GGUF file.
//
// llama.cpp's converter (convert_hf_to_gguf.py and gguf-py's tensor_mapping.py) renames every tensor, stacks the
// experts' matrices, and for the llama architecture reorders the rows of the query and key projections: it interleaves
// the two halves of each head, which the published model rotates against each other.
#pragma once

#include <vector>

#include "gguf/gguf_model.h"
#include "weights/safetensors.h"
#include "weights/tensor_source.h"

namespace fakequant {

// Codes of 8 bits are multiplied by the scales beside them; a tensor whose scales do not fit says why it cannot be
// compared. One for each tensor of `model` that `published` has, then the other tensors of `published` under their own
// names, without the scales of those before. Both must outlive the result.
std::vector<TensorSource> converted_tensors(const SafetensorsModel& published, const GgufModel& model);

}  // namespace fakequant
