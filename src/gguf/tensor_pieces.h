// A tensor's data in pieces of bounded size, so that no tensor has to fit in memory.
//
// The division depends on the tensor only, never on the number of threads; figures that are put together in the pieces'
// order are therefore the same for any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/gguf_file.h"

namespace fakequant {

struct TensorPiece {
  std::size_t tensor = 0;          // index into GgufFile::tensors()
  std::int64_t first_element = 0;  // a multiple of the type's block
  std::int64_t elements = 0;
};

// The pieces of one tensor, in order. Of whole rows, as many as fit and at least one; or, where rows do not matter, cut
// at any block.
enum class PieceCut { anywhere, rows };
std::vector<TensorPiece> tensor_pieces(const GgufFile& file, std::size_t tensor, PieceCut cut = PieceCut::anywhere);

// The pieces of all tensors, in the file's order.
std::vector<TensorPiece> all_pieces(const GgufFile& file);

// Where a piece's data lies in the file, and how many bytes it has.
std::uint64_t piece_begin(const GgufFile& file, const TensorPiece& piece);
std::size_t piece_bytes(const GgufFile& file, const TensorPiece& piece);

// Reads a piece as it is stored, and widens it to float.
std::vector<std::byte> read_piece(const GgufFile& file, const TensorPiece& piece);
std::vector<float> read_piece_values(const GgufFile& file, const TensorPiece& piece);

}  // namespace fakequant
