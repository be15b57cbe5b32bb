#include "gguf/model_hash.h"

#include <algorithm>
#include <vector>

#include "gguf/sha256.h"

namespace fakequant {

std::string sha256_of(const GgufModel& model, Hashed what) {
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 20);
  for (const auto& file : model.parts()) {
    const auto end = what == Hashed::files ? file.size() : file.data_begin();
    for (std::uint64_t at = 0; at < end; at += buffer.size()) {
      const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), end - at));
      file.read(at, piece);
      hash.add(piece);
    }
  }
  return hash.finish();
}

}  // namespace fakequant
