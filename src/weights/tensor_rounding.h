// Rounding one tensor of a file to a format, piece by piece.
//
// What the pieces share is found before: a scale over the whole tensor, the importance of its columns, the stream of
// its random numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "format/fake_quantize.h"
#include "gguf/gguf_file.h"
#include "gguf/tensor_pieces.h"
#include "weights/importance_matrix.h"

namespace fakequant {

class TensorRounder {
 public:
  // `importance` is for the formats that ask for one, or null; it must outlive this. Throws an Error that names the
  // tensor when its rows cannot be held in the format, or the format needs an importance that is not there.
  TensorRounder(const GgufFile& file, std::size_t tensor, const Format& format, const ImportanceMatrix* importance);

  // Finds the scale that the whole tensor shares, where there is one: a pass over its data, or two. Before round().
  void find_scale(int threads);

  // The pieces to round, in order: of whole rows where the format asks for rows.
  std::vector<TensorPiece> pieces() const;

  // Rounds the values of a piece in place. For several threads at once. Throws an Error that names the tensor when the
  // format does not take its values.
  RoundingErrors round(const TensorPiece& piece, std::span<float> values) const;

  const Format& format() const { return format_; }

 private:
  RoundingErrors round_rows(const TensorPiece& piece, std::span<float> values) const;

  const GgufFile* file_;
  std::size_t tensor_;
  Format format_;
  std::span<const float> importance_;
  std::optional<SharedScale> scale_;
  std::uint64_t random_key_;
};

}  // namespace fakequant
