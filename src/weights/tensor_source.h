// Tensors to be compared, whatever kind of file holds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "buffer.h"
#include "gguf/gguf_model.h"

namespace fakequant {

struct TensorSource {
  std::string name;                 // as GGUF has it, where there is such a name
  std::string stored_name;          // as its file has it
  std::string type;                 // "F16", "Q4_K"
  std::vector<std::int64_t> shape;  // ne[0], the length of a row, first
  std::int64_t elements = 0;

  // Reads the values from `first` on, widened to float, and returns the bytes that they were stored in. `first` is a
  // multiple of every type's block, and so is values.size(), or the tensor ends there. For several threads at once; the
  // file must still be there. Throws an Error when it cannot be read.
  std::function<Buffer<std::byte>(std::int64_t first, std::span<float> values)> read;
};

// The tensors of a GGUF model, which must outlive what is returned.
std::vector<TensorSource> gguf_tensors(const GgufModel& model);

}  // namespace fakequant
