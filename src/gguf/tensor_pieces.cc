#include "gguf/tensor_pieces.h"

#include <algorithm>

#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

// 1 MiB as float: fits in a core's second-level cache, and is a multiple of every block that ggml has.
constexpr std::int64_t kPieceElements = std::int64_t{1} << 18;

}  // namespace

std::vector<TensorPiece> tensor_pieces(const GgufFile& file, std::size_t tensor, PieceCut cut) {
  std::vector<TensorPiece> pieces;
  const auto elements = file.tensors()[tensor].elements, row = row_elements(file.tensors()[tensor]);
  const auto whole_rows = std::max<std::int64_t>(1, kPieceElements / row) * row;
  const auto piece = cut == PieceCut::rows ? whole_rows : kPieceElements;
  for (std::int64_t first = 0; first < elements; first += piece) {
    pieces.push_back({tensor, first, std::min(piece, elements - first)});
  }
  return pieces;
}

std::vector<TensorPiece> all_pieces(const GgufFile& file) {
  std::vector<TensorPiece> pieces;
  for (std::size_t tensor = 0; tensor < file.tensors().size(); ++tensor) {
    const auto more = tensor_pieces(file, tensor);
    pieces.insert(pieces.end(), more.begin(), more.end());
  }
  return pieces;
}

std::uint64_t piece_begin(const GgufFile& file, const TensorPiece& piece) {
  const auto& tensor = file.tensors()[piece.tensor];
  return tensor.begin +
         static_cast<std::uint64_t>(piece.first_element / block_elements(tensor.type) * block_bytes(tensor.type));
}

std::size_t piece_bytes(const GgufFile& file, const TensorPiece& piece) {
  const auto type = file.tensors()[piece.tensor].type;
  return static_cast<std::size_t>(piece.elements / block_elements(type) * block_bytes(type));
}

std::vector<std::byte> read_piece(const GgufFile& file, const TensorPiece& piece) {
  std::vector<std::byte> bytes(piece_bytes(file, piece));
  file.read(piece_begin(file, piece), bytes);
  return bytes;
}

std::vector<float> read_piece_values(const GgufFile& file, const TensorPiece& piece) {
  const auto bytes = read_piece(file, piece);
  std::vector<float> values(static_cast<std::size_t>(piece.elements));
  decode_values(file.tensors()[piece.tensor].type, bytes, values);
  return values;
}

}  // namespace fakequant
