// An open, validated GGUF file: its metadata, and the position of each tensor's data.
//
// The whole header is validated: in a file that opens here no size, offset or type points outside the file. Data is
// read with pread() into the caller's buffers, never mapped, so that a file that shrinks while it is read is an error
// and not a signal. Layout: gguf.h of ggml, and docs/gguf.md of ggml, versions 2 and 3, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gguf/file_descriptor.h"

namespace fakequant {

// One key of the metadata. Positions are bytes from the start of the file.
struct MetadataEntry {
  std::string key;
  std::uint32_t type = 0;         // enum gguf_type
  std::uint64_t begin = 0;        // where the entry (its key's length) begins
  std::uint64_t value_begin = 0;  // where the value begins, after its type
  std::uint64_t end = 0;          // one past the entry
};

struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;  // ne[0] first: the length of a row
  int type = 0;                     // enum ggml_type
  std::int64_t elements = 0;
  std::uint64_t begin = 0;    // where its data begins, bytes from the start of the file
  std::uint64_t size = 0;     // bytes of data, without padding
  std::uint64_t type_at = 0;  // position of its type in the header, followed by its data's offset
  std::size_t part = 0;       // index of the model's file that it is in
};

// Values in a row, ne[0]; 1 for a tensor without values.
std::int64_t row_elements(const TensorInfo& tensor);

class GgufFile {
 public:
  // Opens and validates the file. Throws an Error that names the invalid key or tensor, and the byte.
  explicit GgufFile(const std::string& path);

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  std::uint64_t size() const { return size_; }
  std::uint32_t version() const { return version_; }
  std::uint32_t alignment() const { return alignment_; }
  std::uint64_t infos_begin() const { return infos_begin_; }  // the tensors' descriptions, after the metadata
  std::uint64_t infos_end() const { return infos_end_; }
  std::uint64_t data_begin() const { return data_begin_; }

  const std::vector<MetadataEntry>& metadata() const { return metadata_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  // Null if there is none.
  const TensorInfo* find_tensor(const std::string& name) const;
  const MetadataEntry* find_key(const std::string& key) const;

  // The value of a key, if it exists and has that type (any integer type for find_integer).
  std::optional<std::string> find_string(const std::string& key) const;
  std::optional<std::int64_t> find_integer(const std::string& key) const;

  // The strings of a key whose value is an array of them; none for any other key.
  std::vector<std::string> find_strings(const std::string& key) const;

  // The stored bytes of an entry's value.
  std::vector<std::byte> value_bytes(const MetadataEntry& entry) const;

  // Reads bytes of the file. Throws an Error if the file is too short.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  friend class GgufParser;

  std::string path_;
  FileDescriptor fd_;
  std::uint64_t size_ = 0;
  std::uint32_t version_ = 0;
  std::uint32_t alignment_ = 0;
  std::uint64_t infos_begin_ = 0;
  std::uint64_t infos_end_ = 0;
  std::uint64_t data_begin_ = 0;
  std::vector<MetadataEntry> metadata_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::size_t> keys_;   // indices in metadata_
  std::unordered_map<std::string, std::size_t> names_;  // indices in tensors_
};

// The layer that a tensor belongs to: 3 for "blk.3.ffn_norm.weight" (also enc.blk., dec.blk.); no value if none.
std::optional<int> layer_of_tensor(std::string_view name);

// The name with '*' in place of the layer's number: the same for all tensors of a kind. The name itself if it belongs
// to no layer.
std::string layer_pattern(const std::string& name);

// The highest layer of any tensor plus 1; 0 if no tensor belongs to a layer.
int layer_count(const std::vector<TensorInfo>& tensors);

}  // namespace fakequant
