#include "gguf/tensor_pieces.h"

#include <algorithm>

#include "gguf/tensor_type.h"

namespace fakequant {
void TensorPieces::add(std::size_t tensor, const TensorInfo& info, PieceCut cut) {
  const auto row = row_elements(info);
  const auto whole_rows = std::max<std::int64_t>(1, max_elements_ / row) * row;
  add_run(tensor, info.elements, cut == PieceCut::rows ? whole_rows : max_elements_);
}

void TensorPieces::add_run(std::size_t tensor, std::int64_t elements, std::int64_t piece_elements) {
  if (elements == 0) return;
  runs_.push_back({tensor, size_, elements, piece_elements});
  size_ += (elements - 1) / piece_elements + 1;
}

TensorPiece TensorPieces::operator[](std::int64_t piece) const {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), piece,
                                      [](std::int64_t p, const Run& run) { return p < run.first_piece; });
  const auto& run = *std::prev(after);
  const auto first = (piece - run.first_piece) * run.piece_elements;
  return {run.tensor, first, std::min(run.piece_elements, run.elements - first)};
}

std::uint64_t stored_bytes(int type, std::int64_t elements) {
  return static_cast<std::uint64_t>(elements / block_elements(type) * block_bytes(type));
}

Buffer<std::byte> read_piece(const GgufModel& model, const TensorPiece& piece) {
  const auto& tensor = model.tensors()[piece.tensor];
  Buffer<std::byte> bytes(stored_bytes(tensor.type, piece.elements));
  model.read(tensor, stored_bytes(tensor.type, piece.first_element), bytes);
  return bytes;
}

Buffer<float> read_piece_values(const GgufModel& model, const TensorPiece& piece) {
  Buffer<float> values(static_cast<std::size_t>(piece.elements));
  read_piece_values(model, piece, values);
  return values;
}

void read_piece_values(const GgufModel& model, const TensorPiece& piece, std::span<float> values) {
  decode_values(model.tensors()[piece.tensor].type, read_piece(model, piece), values);
}

}  // namespace fakequant
