// The SHA-256 of a model's files, to say later which model it was.
#pragma once

#include <string>

#include "gguf/gguf_model.h"

namespace fakequant {

enum class Hashed {
  headers,  // what lies before the tensors' data: the metadata and the tensors' names, types and shapes
  files,    // every byte
};

// In hexadecimal; of a split model, of its parts one after another.
std::string sha256_of(const GgufModel& model, Hashed what);

}  // namespace fakequant
