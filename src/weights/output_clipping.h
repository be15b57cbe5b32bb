// range=output: groups of a weight are clipped so that the output of its product changes least on a calibration text.
//
// A group e of a row's errors changes the output by e H e^T, with the block of H = X^T X / n that belongs to the
// group's columns. The ranges that are tried are those of range=mse, which is the same where H is the unit matrix.
// AutoAWQ clips so, from the inputs themselves. What the errors of different groups have in common is left out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "format/format.h"
#include "format/random_words.h"
#include "format/scale.h"
#include "weights/hessian_file.h"
#include "weights/kept_of_hessians.h"

namespace fakequant {

// The blocks on the diagonal of a Hessian: those of so many columns, from left to right, the last one maybe shorter.
class DiagonalBlocks {
 public:
  DiagonalBlocks(std::span<const float> lower, std::int64_t columns, std::int64_t block);

  // The block that begins at that column: its rows, one after the other.
  const double* at(std::int64_t column) const { return values_.data() + column * block_; }

 private:
  std::int64_t block_;
  std::vector<double> values_;
};

// Those of a file, which are wanted while the pieces of tensors are rounded.
class OutputHessians {
 public:
  // For a format with range=output. Throws as HessianFile does.
  explicit OutputHessians(const Format& format);

  bool is_for(const Format& format) const;

  // Whether the file has the weight's Hessian. Throws as HessianFile::input_of().
  bool has(const TensorInfo& weight) const { return file_.input_of(weight) != nullptr; }

  // Those of one of the matrices of a weight that it has, whose columns are multiplied by `factors`, if any, so that
  // its inputs are divided by them. The factors of a matrix are always the same. Thread-safe. Throws as
  // HessianFile::triangle().
  std::shared_ptr<const DiagonalBlocks> of(const TensorInfo& weight, std::int64_t matrix,
                                           std::span<const float> factors);

 private:
  std::int64_t block_;  // 0: whole rows
  Rotation rotation_;
  HessianFile file_;
  KeptOfHessians<DiagonalBlocks> kept_;
};

// Finds the ranges of rows of so many columns, and rounds them. Factors of columns and rotations are the caller's.
class OutputClipping {
 public:
  OutputClipping(const Format& format, std::int64_t columns);

  // Columns that share a scale; all, for scales of rows and of tensors.
  std::int64_t block() const { return block_; }

  // Rounds rows in place, each group under the scale of its own best range. `first` is the index of the first value in
  // the stream of random words. Returns how many values saturated. Thread-safe.
  std::int64_t round_rows(const DiagonalBlocks& hessian, std::span<float> rows, const RandomStream& random,
                          std::uint64_t first) const;

  // Adds to kRangesTried sums what rounding rows under each part of a range changes. Thread-safe.
  void add_errors(const DiagonalBlocks& hessian, const ValueRange& range, std::span<const float> rows,
                  std::vector<double>& sums) const;

 private:
  // Of one group, whose block of the Hessian is given.
  void add_errors_of_group(const double* hessian, const ValueRange& range, std::span<const float> group,
                           std::vector<double>& sums) const;

  Format format_;  // of a group by itself, under a scale that is found
  Format tried_;   // likewise, as ranges are compared
  std::int64_t columns_, block_;
};

}  // namespace fakequant
