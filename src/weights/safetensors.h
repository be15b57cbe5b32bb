// Reads safetensors files, in which models are published and from which GGUF files are made.
//
// A file begins with the length of its header, 8 bytes, little-endian. The header is JSON and has the type, shape and
// offsets of each tensor in the data that follows it (huggingface/safetensors, README, "Format"). A model in several
// files has an index, model.safetensors.index.json, whose "weight_map" gives the file of each tensor.
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
  std::string type;                 // by GGUF's name: "F32", "F16", "BF16", "I32"; "E4M3", "E5M2", "E8M0", "U8", "BOOL"
  std::vector<std::int64_t> shape;  // ne[0] first, as in GGUF
  std::int64_t elements = 0;
  std::size_t element_bytes = 0;
  std::uint64_t begin = 0;  // of its data in the file
  std::size_t file = 0;     // the index of the file
};

class SafetensorsModel {
 public:
  // `path` is a .safetensors file, an index, or a folder that has one of them. Throws an Error if a file cannot be read
  // or is invalid.
  explicit SafetensorsModel(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, SafetensorsTensor>& tensors() const { return tensors_; }  // by name
  std::vector<std::string> files() const;  // the paths of all files that are read, the index among them

  // Reads stored elements, from `first` on.
  void read(const SafetensorsTensor& tensor, std::int64_t first, std::span<std::byte> bytes) const;

 private:
  struct File {
    std::string path;
    FileDescriptor fd;
  };
  void add_file(const std::string& path);
  void add_index(const std::string& path);

  std::string path_;
  std::string index_;  // its path; empty where there is none
  std::vector<File> files_;
  std::map<std::string, SafetensorsTensor> tensors_;
};

// True for a path with the ending of a safetensors file or index, and for a folder.
bool is_safetensors(const std::string& path);

// Widens stored elements of that type to float.
void decode_safetensors(const std::string& type, std::span<const std::byte> bytes, std::span<float> values);

}  // namespace fakequant
