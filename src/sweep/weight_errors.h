// What rounding weights does to the products in which they stand, as local_error.h tells it of activations.
//
// The error of a matrix W is told as a part of what its product makes of its input x: e = sum_c |D_c|^2 m_c / sum_c
// |W_c|^2 m_c, where D is the rounded matrix less W, the columns' energies |W_c|^2 are summed over the rows, and m_c is
// the share of column c in the input's energy (ColumnShares). Where the input is not known (an embedding, a norm) all
// columns count alike.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "measure/local_error.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

// The sum of the squares of each column of a tensor's rows.
std::vector<double> column_energies(const GgufModel& model, std::size_t tensor, int threads);

// What rounding does to the columns of a tensor.
struct ColumnErrors {
  std::vector<double> errors;  // sums over the rows of D^2
  std::vector<double> along;   // and of W D
};

// Under a format, as the tensor would be stored.
ColumnErrors column_errors(const GgufModel& model, std::size_t tensor, const Format& format, int stored_as,
                           int threads);

// The error of the product of columns of these energies; `shares` of the input's columns, or nothing. None where the
// weights are 0.
LocalError product_error(const ColumnErrors& errors, std::span<const double> energies, std::span<const double> shares);

}  // namespace fakequant
