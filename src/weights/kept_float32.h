// The tensors that stay F32 in every file, because llama.cpp computes with no other type there.
#pragma once

#include "gguf/gguf_file.h"

namespace fakequant {

// True for the F32 tensors that llama.cpp's converter keeps as F32 in files of 16-bit floats
// (convert_hf_to_gguf.py, prepare_tensors): vectors, norms, routers, positions and the like.
bool stays_float32(const TensorInfo& tensor);

}  // namespace fakequant
