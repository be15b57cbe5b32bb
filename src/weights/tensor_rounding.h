// Rounds one tensor of a model to a format, piece by piece.
//
// The pieces share a scale over the whole tensor, the importance and the factors of its columns, and its stream of
// random numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "buffer.h"
#include "format/fake_quantize.h"
#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "weights/rounding_files.h"

namespace fakequant {

class TensorRounder {
 public:
  // `data` is that of the format; the files of Hessians and channels must have the tensor. Throws an Error that names
  // the tensor if the format does not fit its rows, needs an importance matrix that is missing, or if the channels are
  // not those of its rows.
  TensorRounder(const GgufModel& model, std::size_t tensor, const Format& format, RoundingData data);

  // Finds the factors of awq=, and the scale that the whole tensor shares, or those of its tiles, if any, in one or two
  // passes over its data. Call it before round(). Throws an Error if its Hessians cannot be read.
  void find_scale(int threads);

  // Where the tensor may be cut into pieces: between rows if the format works on rows.
  PieceCut cut() const;

  // Rounds the values of a piece in place. Thread-safe. Throws an Error that names the tensor if the format refuses its
  // values.
  RoundingErrors round(const TensorPiece& piece, std::span<float> values) const;

  // The same without statistics, which is faster.
  void round_values(const TensorPiece& piece, std::span<float> values) const;

  // The bytes in which the format's block type, one of ggml's, stores the values of a piece of whole rows. Thread-safe;
  // throws as round() does.
  Buffer<std::byte> pack(const TensorPiece& piece, std::span<float> values) const;

  const Format& format() const { return format_; }

 private:
  // Calls work(values, placement) for the parts of the piece that share the data of their columns.
  template <typename Work>
  void for_each_part(const TensorPiece& piece, std::span<float> values, const Work& work) const;

  // fit=gptq of a piece of whole rows. Returns how many values saturated.
  std::int64_t round_by_hessian(const TensorPiece& piece, std::span<float> values) const;

  // range=output of a piece of whole rows, whose groups are rows or blocks. Returns how many values saturated.
  std::int64_t round_by_output(const TensorPiece& piece, std::span<float> values) const;

  // Calls work(matrix, values, first) for the rows of each matrix that a piece has rows of, whose first value has that
  // index. The rows are multiplied by their factors and rotated for it, and back afterwards.
  template <typename Work>
  void for_each_matrix(const TensorPiece& piece, std::span<float> values, const Work& work) const;

  // Rounds values that depend on the Hessians of their matrix; none for others.
  std::optional<std::int64_t> round_by_product(const TensorPiece& piece, std::span<float> values) const;

  void find_shared_scale(int threads);
  void find_output_scale(int threads);  // range=output,per=tensor
  void find_tile_scales(int threads);

  // awq=: tries the exponents on all matrices, and keeps for each of them the factors that change its output least.
  void find_awq_factors(int threads);

  // How much rounding one of the matrices changes its output, under the factors and scales of now.
  double output_error_of(std::int64_t matrix, std::span<const float> lower, int threads) const;

  std::int64_t rows_of_matrix() const;

  // Of the columns of one of the matrices; none where they have none.
  std::span<const float> factors_of(std::int64_t matrix) const;

  // Keeps the values of a matrix in memory, for those who read them again and again.
  void hold_matrix(std::int64_t matrix, int threads);

  // The values of a piece, from memory where they are held.
  Buffer<float> read_values(const TensorPiece& piece) const;

  // The values of a piece that scales are found for: smoothed and rotated, if they are rounded so.
  Buffer<float> values_to_scale(const TensorPiece& piece) const;

  const GgufModel* model_;
  std::size_t tensor_;
  Format format_;
  RoundingData data_;
  std::span<const float> importance_;
  std::vector<float> column_factors_;  // of the columns of all matrices, or of each of them
  std::optional<SharedScale> scale_;
  std::shared_ptr<TileScales> tiles_;
  std::uint64_t random_key_;
  struct {
    std::int64_t first_element = 0;
    std::shared_ptr<const Buffer<float>> values = {};
  } held_;
};

}  // namespace fakequant
