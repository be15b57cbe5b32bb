// The SHA-256 of a model's files, which identifies the model in results.
#pragma once

#include <string>

#include "gguf/gguf_model.h"

namespace fakequant {

enum class Hashed {
  headers,  // all before the tensors' data: the metadata and the tensors' names, types and shapes
  files,    // every byte
};

// In hexadecimal; for a split model, of the concatenated parts.
std::string sha256_of(const GgufModel& model, Hashed what);

}  // namespace fakequant
