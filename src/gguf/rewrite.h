// A copy of a GGUF file with some metadata keys set and some tensors' values replaced, all else byte for byte.
//
// Nothing that is not understood has to be: keys, descriptions, data and padding are copied as they lie; only the
// number of keys, the keys themselves and the replaced data differ. A replaced tensor keeps its type, shape and place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/tensor_pieces.h"
#include "progress.h"

namespace fakequant {

struct StringKey {
  std::string key;
  std::string value;
};

// New stored bytes for piece i: as many as the piece has. Called once for each piece, from several threads.
using ReplacePiece = std::function<std::vector<std::byte>(std::size_t i)>;

// Writes the copy into `out`, which is empty and readable; `out_path` is for messages. `keys` are put after the file's
// own, or take the place of those of the same name; the last one's value may get spaces behind it, so that the data
// begins at the same place of a page as before. `pieces` get their data from `replace`, on `threads` threads.
void rewrite(const GgufFile& file, int out, const std::string& out_path, const std::vector<StringKey>& keys,
             const std::vector<TensorPiece>& pieces, const ReplacePiece& replace, int threads,
             const Progress& progress = {});

}  // namespace fakequant
