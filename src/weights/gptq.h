// GPTQ (Frantar et al., arXiv 2210.17323): rounds the columns of a matrix one after the other, and adds to the columns
// that are not rounded yet what makes up for the error, as far as the inputs of the product are correlated.
//
// With H = X^T X / n of the inputs X, the output error of a row is (w - q) H (w - q)^T. H with damping on its diagonal
// is factored once for all rows: U is upper triangular and U^T U is the inverse. When column j becomes q_j, each later
// column k is changed by -(w_j - q_j) / U_jj * U_jk. Rows do not depend on each other. All of this is in double; values
// are rounded in float32, by the format.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/format.h"
#include "format/scale_search.h"

namespace fakequant {

struct GptqFactor {
  std::int64_t columns = 0;
  std::vector<std::int64_t> order;  // the column of the matrix that comes first, second ...; empty: from left to right
  std::vector<double> upper;        // U, whole rows of `columns` values, in that order of columns
};

// The factor of a Hessian. `lower` has the lower triangle row by row: 1 value, 2 values ... The damping is added to the
// diagonal in parts of its mean. A column whose inputs were all zero has 1 on the diagonal: it is rounded to the
// nearest. With order=activation columns come by falling diagonal, of equals the left one first. Throws an Error if the
// damped Hessian is not positive definite. The result does not depend on the number of threads.
GptqFactor gptq_factor(std::span<const float> lower, std::int64_t columns, const GptqOptions& options, int threads);

// Rounds whole rows of a matrix in place. Returns how many values saturated. `shared` is as for scale_of_group().
//
// The scale of a block is found from the values that the columns before it left, when its first column comes; that of a
// row, and with order=activation that of a block, from the values as they were. Throws an Error for values that are not
// finite. Thread-safe.
std::int64_t gptq_round_rows(const Format& format, const SharedScale& shared, const GptqFactor& factor,
                             std::span<float> rows);

}  // namespace fakequant
