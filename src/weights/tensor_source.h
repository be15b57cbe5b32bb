// A tensor to compare, from any kind of file.
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
  std::string name;                 // the GGUF name, if there is one
  std::string stored_name;          // the name in its file
  std::string type;                 // "F16", "Q4_K"
  std::vector<std::int64_t> shape;  // ne[0], the length of a row, first
  std::int64_t elements = 0;
  std::string scale;           // the stored name of what `read` multiplies the stored codes by; empty if nothing
  std::string not_comparable;  // why `read` does not give the tensor's values; empty if it does

  // Reads the values from `first` on, widened to float, and returns their stored bytes. `first` is a multiple of every
  // type's block size, and so is values.size() unless the tensor ends there. Thread-safe; the file must still be open.
  // Throws an Error if it cannot be read.
  std::function<Buffer<std::byte>(std::int64_t first, std::span<float> values)> read;
};

// The tensors of a GGUF model, which must outlive the result.
std::vector<TensorSource> gguf_tensors(const GgufModel& model);

}  // namespace fakequant
