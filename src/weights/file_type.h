// general.file_type: the number by which llama.cpp's tools name what a file mostly holds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "gguf/gguf_model.h"

namespace fakequant {

// The number (llama.h, enum llama_ftype) for a model some of whose tensors get other types, `changed`, by index. No
// value if most of its matrices' values stay in the type that they were in, or are in a type that llama.cpp has no
// number for: then the number that the file has stays.
std::optional<std::uint32_t> changed_file_type(const GgufModel& model, const std::map<std::size_t, int>& changed);

}  // namespace fakequant
