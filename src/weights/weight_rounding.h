// The rounding of the weights that a recipe selects, piece by piece, whatever becomes of the pieces: they are written
// to a file (apply.h), or computed with in the loaded model (measure/prepared_variants.h).
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>

#include "buffer.h"
#include "gguf/tensor_pieces.h"
#include "recipe/rule.h"
#include "weights/apply.h"
#include "weights/rounding_files.h"
#include "weights/tensor_rounding.h"

namespace fakequant {

// Adds the errors of another piece of the same tensor.
void add_piece(TensorRounding& total, const TensorRounding& piece);

// The tensors that rules select, each with its format and the type that it is stored in, and those that are only stored
// otherwise.
class WeightRounding {
 public:
  // The model must outlive this. Throws as apply_to_files does if a rule cannot be applied to the model's weights.
  WeightRounding(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings);

  const std::map<std::size_t, TensorRounder>& rounders() const { return rounders_; }  // by tensor
  const std::map<std::size_t, int>& storage_types() const { return types_; }  // by tensor, also of those without a rule

  // Finds the scales that whole tensors share. Call it before round().
  void find_scales(int threads);
  void find_scale(std::size_t tensor, int threads);  // nothing, where the tensor is not rounded

  // Where a tensor may be cut into pieces.
  PieceCut cut(std::size_t tensor) const;

  // What is known of a tensor before it is rounded.
  TensorRounding description(std::size_t tensor) const;

  struct Piece {
    Buffer<std::byte> bytes;  // as stored
    TensorRounding errors;
  };

  // Rounds a piece and stores it. Thread-safe. Throws an Error that names the tensor if a value cannot be stored.
  Piece round(const TensorPiece& piece) const;

  // Replaces the values of a piece, as the model has them, by the rounded ones as they are stored. Thread-safe; throws
  // as round() does.
  void change(const TensorPiece& piece, std::span<float> values) const;

  // Writes the rounded values of a piece as they are stored, in a plain float type. Thread-safe; throws as round()
  // does.
  void store(const TensorPiece& piece, std::span<std::byte> bytes) const;

 private:
  const GgufModel* model_;
  std::map<std::size_t, TensorRounder> rounders_;
  std::map<std::size_t, int> types_;
  std::set<std::size_t> without_importance_;
};

}  // namespace fakequant
