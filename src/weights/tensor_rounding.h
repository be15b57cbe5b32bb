// Rounding one tensor of a model to a format, piece by piece.
//
// What the pieces share is found before: a scale over the whole tensor, the importance of its columns, the stream of
// its random numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "format/fake_quantize.h"
#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "weights/importance_matrix.h"

namespace fakequant {

class TensorRounder {
 public:
  // `importance` is for the formats that ask for one, or null; it must outlive this. Throws an Error that names the
  // tensor when its rows cannot be held in the format, or the format needs an importance that is not there.
  TensorRounder(const GgufModel& model, std::size_t tensor, const Format& format, const ImportanceMatrix* importance);

  // Finds the scale that the whole tensor shares, where there is one: a pass over its data, or two. Before round().
  void find_scale(int threads);

  // How the tensor is to be cut into pieces: in whole rows where the format asks for rows.
  PieceCut cut() const;

  // Rounds the values of a piece in place. For several threads at once. Throws an Error that names the tensor when the
  // format does not take its values.
  RoundingErrors round(const TensorPiece& piece, std::span<float> values) const;

  const Format& format() const { return format_; }

 private:
  RoundingErrors round_rows(const TensorPiece& piece, std::span<float> values) const;

  const GgufModel* model_;
  std::size_t tensor_;
  Format format_;
  std::span<const float> importance_;
  std::optional<SharedScale> scale_;
  std::uint64_t random_key_;
};

}  // namespace fakequant
