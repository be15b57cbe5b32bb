// A tensor's data in pieces of bounded size, so that no tensor must fit in memory.
//
// The division depends only on the tensor, never on the number of threads, so statistics that are summed in the pieces'
// order are the same for any number of threads. Pieces are computed and not stored: a model has millions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "gguf/gguf_model.h"

namespace fakequant {

struct TensorPiece {
  std::size_t tensor = 0;          // index into GgufModel::tensors()
  std::int64_t first_element = 0;  // a multiple of the type's block
  std::int64_t elements = 0;
};

// Whether a piece has whole rows, at least one and as many as fit, or may end at any block.
enum class PieceCut { anywhere, rows };

// Elements of a piece: 256 KiB as float, so that a piece, its stored form and its rounded form fit in a core's
// second-level cache. A multiple of all block sizes of ggml.
constexpr std::int64_t kPieceElements = std::int64_t{1} << 16;

// The pieces of several tensors, in the order in which the tensors were added.
class TensorPieces {
 public:
  // Pieces have at most max_elements, a multiple of kPieceElements, unless a single row is longer.
  explicit TensorPieces(std::int64_t max_elements = kPieceElements) : max_elements_(max_elements) {}

  // Adds the pieces of the tensor with that index.
  void add(std::size_t tensor, const TensorInfo& info, PieceCut cut = PieceCut::anywhere);

  // Adds the pieces of a tensor with so many elements, cut anywhere.
  void add(std::size_t tensor, std::int64_t elements) { add_run(tensor, elements, max_elements_); }

  std::int64_t size() const { return size_; }
  TensorPiece operator[](std::int64_t piece) const;

 private:
  void add_run(std::size_t tensor, std::int64_t elements, std::int64_t piece_elements);

  struct Run {
    std::size_t tensor;
    std::int64_t first_piece, elements, piece_elements;
  };
  std::int64_t max_elements_;
  std::vector<Run> runs_;
  std::int64_t size_ = 0;
};

// Stored bytes of `elements`, which are a multiple of the type's block.
std::uint64_t stored_bytes(int type, std::int64_t elements);

// Reads a piece in its stored form, or widened to float.
Buffer<std::byte> read_piece(const GgufModel& model, const TensorPiece& piece);
Buffer<float> read_piece_values(const GgufModel& model, const TensorPiece& piece);
void read_piece_values(const GgufModel& model, const TensorPiece& piece, std::span<float> values);

}  // namespace fakequant
