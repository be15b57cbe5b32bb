// A tensor's data in pieces of bounded size, so that no tensor has to fit in memory.
//
// The division depends on the tensor only, never on the number of threads; figures that are put together in the pieces'
// order are therefore the same for any number of threads. Pieces are counted and not stored: a model has millions.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "gguf/gguf_model.h"

namespace fakequant {

struct TensorPiece {
  std::size_t tensor = 0;          // index into GgufModel::tensors()
  std::int64_t first_element = 0;  // a multiple of the type's block
  std::int64_t elements = 0;
};

// Whether a piece holds whole rows, as many as fit and at least one, or may end at any block.
enum class PieceCut { anywhere, rows };

// Elements of a piece: 256 KiB as float, so that a piece, its stored form and its rounded form stay in a core's
// second-level cache. A multiple of every block that ggml has.
constexpr std::int64_t kPieceElements = std::int64_t{1} << 16;

// The pieces of some tensors, in the order in which these were added.
class TensorPieces {
 public:
  // Of at most so many elements, a multiple of kPieceElements, but for rows that are longer.
  explicit TensorPieces(std::int64_t most_elements = kPieceElements) : most_elements_(most_elements) {}

  // The pieces of the tensor with that index.
  void add(std::size_t tensor, const TensorInfo& info, PieceCut cut = PieceCut::anywhere);

  // The same of so many elements, cut anywhere.
  void add(std::size_t tensor, std::int64_t elements) { add_run(tensor, elements, most_elements_); }

  std::int64_t size() const { return size_; }
  TensorPiece operator[](std::int64_t piece) const;

 private:
  void add_run(std::size_t tensor, std::int64_t elements, std::int64_t piece_elements);

  struct Run {
    std::size_t tensor;
    std::int64_t first_piece, elements, piece_elements;
  };
  std::int64_t most_elements_;
  std::vector<Run> runs_;
  std::int64_t size_ = 0;
};

// Bytes of so many elements, a multiple of the type's block.
std::uint64_t stored_bytes(int type, std::int64_t elements);

// Reads a piece as it is stored, or widened to float.
Buffer<std::byte> read_piece(const GgufModel& model, const TensorPiece& piece);
Buffer<float> read_piece_values(const GgufModel& model, const TensorPiece& piece);

}  // namespace fakequant
