#include "gguf/gguf_writer.h"

#include <ggml.h>
#include <gguf.h>

#include <cstddef>

#include "gguf/gguf_bytes.h"

namespace fakequant {
namespace {

void pad(std::string& bytes) {
  bytes.resize((bytes.size() + GGUF_DEFAULT_ALIGNMENT - 1) / GGUF_DEFAULT_ALIGNMENT * GGUF_DEFAULT_ALIGNMENT);
}

}  // namespace

void GgufWriter::add_text(std::string_view key, std::string_view value) {
  append_key(keys_, key, GGUF_TYPE_STRING);
  append_text(keys_, value);
  ++key_count_;
}

void GgufWriter::add_number(std::string_view key, std::uint32_t value) {
  append_key(keys_, key, GGUF_TYPE_UINT32);
  append_number(keys_, value);
  ++key_count_;
}

void GgufWriter::add_texts(std::string_view key, const std::vector<std::string>& values) {
  append_key(keys_, key, GGUF_TYPE_ARRAY);
  append_number(keys_, static_cast<std::uint32_t>(GGUF_TYPE_STRING));
  append_number(keys_, static_cast<std::uint64_t>(values.size()));
  for (const auto& value : values) append_text(keys_, value);
  ++key_count_;
}

void GgufWriter::add_tensor(std::string_view name, const std::vector<std::int64_t>& shape,
                            std::span<const float> values) {
  auto dimensions = shape.size();
  while (dimensions > 1 && shape[dimensions - 1] == 1) --dimensions;
  append_text(infos_, name);
  append_number(infos_, static_cast<std::uint32_t>(dimensions));
  for (std::size_t i = 0; i < dimensions; ++i) append_number(infos_, static_cast<std::uint64_t>(shape[i]));
  append_number(infos_, static_cast<std::uint32_t>(GGML_TYPE_F32));
  append_number(infos_, static_cast<std::uint64_t>(data_.size()));
  data_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  pad(data_);
  ++tensor_count_;
}

std::string GgufWriter::bytes() const {
  std::string file = GGUF_MAGIC;
  append_number(file, static_cast<std::uint32_t>(GGUF_VERSION));
  append_number(file, tensor_count_);
  append_number(file, key_count_);
  file += keys_ + infos_;
  pad(file);
  return file + data_;
}

}  // namespace fakequant
