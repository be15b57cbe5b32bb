// A copy of a model in which some tensors have new data and some metadata keys are set, all else byte for byte.
//
// Nothing that is not understood has to be: keys, descriptions, data and padding are copied as they lie. A tensor whose
// new data is of another type takes more or less room; what lies behind it moves, by a multiple of the alignment.
//
// A rewrite is three steps, in any order: write_headers(), copy(i) for each range that stays, and write() for each
// piece of the replaced tensors. Different threads may do different ranges and pieces at once.
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

// An empty, readable file that a part of the copy is written to, and its name in messages.
struct RewriteTarget {
  int fd;
  std::string path;
};

class Rewrite {
 public:
  // `replaced`: the tensors that get new data, by index, and the type that each is stored in then. `keys` are put
  // behind the first part's own, or take the place of those of the same name; the last one's value may get spaces
  // behind it, so that the data begins at the same place of a page as before. One target for each part of the model,
  // which must outlive this.
  Rewrite(const GgufModel& model, std::vector<RewriteTarget> targets, const std::map<std::size_t, int>& replaced,
          const std::vector<StringKey>& keys);

  void write_headers() const;

  std::int64_t copies() const { return static_cast<std::int64_t>(copies_.size()); }
  void copy(std::int64_t i) const;

  // The stored bytes of a piece of a replaced tensor, in its new type.
  void write(const TensorPiece& piece, std::span<const std::byte> bytes) const;

  std::uint64_t size() const;          // bytes of all parts of the copy
  std::uint64_t copied_bytes() const;  // of them, those that copy() writes

 private:
  struct Part {
    std::string header;
    std::uint64_t size;
  };
  struct Copy {
    std::size_t part;
    std::uint64_t from, to, size;
  };
  struct Place {
    std::uint64_t begin;  // in the part's copy
    int type;
  };

  void lay_out(std::size_t part, const std::map<std::size_t, int>& replaced, const std::vector<StringKey>& keys);
  void copy_later(std::size_t part, std::uint64_t from, std::uint64_t to, std::uint64_t size);

  const GgufModel& model_;
  std::vector<RewriteTarget> targets_;
  std::vector<Part> parts_;
  std::vector<Copy> copies_;
  std::map<std::size_t, Place> replaced_;
};

}  // namespace fakequant
