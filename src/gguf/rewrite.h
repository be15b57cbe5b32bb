// A copy of a model with new data for some tensors and new values for some metadata keys. All else is equal byte for
// byte.
//
// Keys, descriptions, data and padding are copied without being interpreted. If a tensor's new type takes more or fewer
// bytes, all data after it moves by a multiple of the alignment.
//
// A rewrite has three steps, in any order: write_headers(), copy(i) for each range that stays, and write() for each
// piece of the replaced tensors. Threads may process different ranges and pieces concurrently.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"

namespace fakequant {

struct StringKey {
  std::string key;
  std::string value;
};

using NumberKeys = std::map<std::string, std::uint32_t>;

// What becomes of the metadata.
struct KeyChanges {
  std::vector<StringKey> strings = {};  // follow the keys of the first part, or replace those of the same name
  NumberKeys replaced = {};             // new values of keys of type uint32, where they are; none is added
  NumberKeys numbers = {};              // keys of type uint32 that the first part gets, or that replace those it has
  // Pad the last string with spaces, so that the data keeps its offset within a page.
  bool keeps_page_offset = true;
};

// An empty, readable file for a part of the copy, and its name in messages.
struct RewriteTarget {
  int fd;
  std::string path;
};

class Rewrite {
 public:
  // `replaced`: the tensors that get new data, by index, and their new types. `targets` has one for each part of the
  // model. The model must outlive this.
  Rewrite(const GgufModel& model, std::vector<RewriteTarget> targets, const std::map<std::size_t, int>& replaced,
          const KeyChanges& keys = {});

  void write_headers() const;

  std::int64_t copies() const { return static_cast<std::int64_t>(copies_.size()); }
  void copy(std::int64_t i) const;

  // The stored bytes of a piece of a replaced tensor, in its new type.
  void write(const TensorPiece& piece, std::span<const std::byte> bytes) const;

  std::uint64_t size() const;          // bytes of all parts of the copy
  std::uint64_t copied_bytes() const;  // bytes that copy() writes

 private:
  struct Part {
    std::string header;
    std::uint64_t size;
  };
  struct Copy {
    std::size_t part;
    std::uint64_t from, to, size;
  };
  struct Location {
    std::uint64_t begin;  // in the part's copy
    int type;
  };

  void lay_out(std::size_t part, const std::map<std::size_t, int>& replaced, const KeyChanges& keys);
  void copy_later(std::size_t part, std::uint64_t from, std::uint64_t to, std::uint64_t size);

  const GgufModel& model_;
  std::vector<RewriteTarget> targets_;
  std::vector<Part> parts_;
  std::vector<Copy> copies_;
  std::map<std::size_t, Location> replaced_;
};

}  // namespace fakequant
