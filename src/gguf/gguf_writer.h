// Makes small GGUF files from nothing: a few keys, and tensors of floats. Models are rewritten (rewrite.h), not made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

class GgufWriter {
 public:
  void add_text(std::string_view key, std::string_view value);
  void add_number(std::string_view key, std::uint32_t value);
  void add_texts(std::string_view key, const std::vector<std::string>& values);

  // An F32 tensor of this shape, the length of a row first. As in ggml's own files, lengths of 1 at the end are left
  // out.
  void add_tensor(std::string_view name, const std::vector<std::int64_t>& shape, std::span<const float> values);

  // The file: version 3, with the default alignment.
  std::string bytes() const;

 private:
  std::string keys_, infos_, data_;
  std::uint64_t key_count_ = 0, tensor_count_ = 0;
};

}  // namespace fakequant
