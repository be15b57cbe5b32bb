// Safetensors files: what models are published in, and GGUF files are made from.
//
// A file begins with the length of its header, 8 bytes, little-endian; the header is JSON and says of each tensor its
// type, shape and place in the data behind it (huggingface/safetensors, README, "Format"). A model in several files has
// an index, model.safetensors.index.json, whose "weight_map" says which file has which tensor.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gguf/file_descriptor.h"

namespace fakequant {

struct SafetensorsTensor {
  std::string name;
  std::string type;                 // in GGUF's words: "F32", "F16", "BF16", "I32"; "E4M3", "E5M2", "U8", "BOOL"
  std::vector<std::int64_t> shape;  // ne[0] first, as GGUF has it
  std::int64_t elements = 0;
  std::size_t element_bytes = 0;
  std::uint64_t begin = 0;  // of its data in the file
  std::size_t file = 0;     // in which of the files
};

class SafetensorsModel {
 public:
  // `path` is a .safetensors file, an index, or a folder that has one of them. Throws an Error that names what is
  // wrong.
  explicit SafetensorsModel(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, SafetensorsTensor>& tensors() const { return tensors_; }  // by name
  std::vector<std::string> files() const;                                               // their paths

  // Reads elements from `first` on as they are stored.
  void read(const SafetensorsTensor& tensor, std::int64_t first, std::span<std::byte> bytes) const;

 private:
  struct File {
    std::string path;
    FileDescriptor fd;
  };
  void add_file(const std::string& path);
  void add_index(const std::string& path);

  std::string path_;
  std::vector<File> files_;
  std::map<std::string, SafetensorsTensor> tensors_;
};

// True for a path that names safetensors: by its ending, or a folder.
bool is_safetensors(const std::string& path);

// Widens stored elements of that type to float.
void decode_safetensors(const std::string& type, std::span<const std::byte> bytes, std::span<float> values);

}  // namespace fakequant
