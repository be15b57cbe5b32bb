// The keys that say how a model was made from another one.
#pragma once

#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "gguf/model_hash.h"
#include "gguf/rewrite.h"

namespace fakequant {

// fakequant.recipe, fakequant.version, and fakequant.source: the model's name, its size in bytes, and the SHA-256 of
// its headers; where `hashed` is Hashed::files also that of all its bytes.
std::vector<StringKey> provenance_keys(const GgufModel& model, const std::string& recipe, Hashed hashed);

}  // namespace fakequant
