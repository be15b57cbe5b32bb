// The local errors of rounded weights in their matrix products; local_error.h does the same for activations.
//
// The error of a matrix W is relative to the energy of its product:
//
//   e = sum_c |D_c|^2 m_c / sum_c |W_c|^2 m_c
//
// D is the rounded matrix minus W, |W_c|^2 is the energy of column c (the sum of squares over the rows), and m_c is the
// share of column c in the energy of the input (ColumnShares). If the input is unknown (an embedding, a norm), all
// columns have the same weight.
//
// D and W are of a sample of the rows where there are many: types of ggml round a row by itself, and the slow ones take
// longer for all rows of a model than its evaluations take. Of two real models the error of 256 rows was within 6 % of
// that of all, for half of the matrices within 0.6 % (q4_0, q5_1 and q8_0).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "measure/local_error.h"
#include "recipe/rule.h"
#include "weights/apply.h"
#include "weights/rounding_files.h"

namespace fakequant {

// The sum of the squares of each column of a tensor's rows.
std::vector<double> column_energies(const GgufModel& model, std::size_t tensor, int threads);

// The errors of the columns of a rounded tensor: sums over the same rows.
struct ColumnErrors {
  std::vector<double> errors;    // D^2
  std::vector<double> along;     // W D
  std::vector<double> energies;  // W^2
};

// Rows in groups that are evenly spaced, at most kSampledRows or a group for each matrix of a tensor of more; all rows
// of a tensor that has no more.
inline constexpr std::int64_t kSampledRows = 256;
std::vector<TensorPiece> sampled_rows(std::size_t tensor, const TensorInfo& info);

// Of the sampled rows. Rounds to `format`, with the data of its files, and then to the GGML type `stored_as`.
ColumnErrors column_errors(const GgufModel& model, std::size_t tensor, const Format& format, const RoundingData& data,
                           int stored_as, int threads);

// The error of the product. `shares` are those of the input's columns, or empty. Returns a LocalError without rows if
// all weights are 0.
LocalError product_error(const ColumnErrors& errors, std::span<const double> shares);

}  // namespace fakequant
