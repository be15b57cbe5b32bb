// A model on disk: one GGUF file, or the parts that llama-gguf-split or a converter split it into.
//
// The parts of a split model are called PREFIX-00001-of-00003.gguf and so on, and their metadata says so too (split.no,
// split.count, split.tensors.count). Opening one part opens all. The model's metadata is that of the first part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "gguf/gguf_file.h"

namespace fakequant {

class GgufModel {
 public:
  // Opens and validates the file, or all parts of its model if it is one part. Throws an Error.
  explicit GgufModel(const std::string& path);

  // Opens all parts, whatever their names.
  explicit GgufModel(const std::vector<std::string>& paths);

  const std::string& path() const { return parts_.front().path(); }  // the first part's
  const std::vector<GgufFile>& parts() const { return parts_; }      // one if the model is not split
  const GgufFile& first() const { return parts_.front(); }           // which has the metadata
  std::uint64_t size() const;                                        // bytes of all parts

  // The tensors of all parts, in the parts' order.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // Null if there is none.
  const TensorInfo* find_tensor(const std::string& name) const;
  std::size_t index_of(const TensorInfo& tensor) const { return static_cast<std::size_t>(&tensor - tensors_.data()); }

  // Reads bytes of a tensor's data from `offset` on. Throws an Error if its file is too short.
  void read(const TensorInfo& tensor, std::uint64_t offset, std::span<std::byte> bytes) const;

  // The paths of all parts.
  std::vector<std::string> paths() const;

 private:
  explicit GgufModel(std::vector<GgufFile> parts);

  std::vector<GgufFile> parts_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::size_t> names_;  // indices in tensors_
};

// The paths of `count` parts: `path` itself for one part; else with its numbers ("-00001-of-00003.gguf") replaced, or
// with numbers inserted before its extension.
std::vector<std::string> part_paths(const std::string& path, std::size_t count);

}  // namespace fakequant
