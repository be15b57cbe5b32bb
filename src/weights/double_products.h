// The two loops that take the time of fit=gptq, in double: sums of products of rows with themselves, and the
// subtraction of multiples of rows from others.
//
// Each sum is added up in one fixed order, without fused operations that would round otherwise, so results depend
// neither on the instruction set nor on how callers divide the work.
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

inline constexpr std::int64_t kGramPanel = 8;  // columns that are packed together

// Columns are packed into panels: panel p has [rows][kGramPanel] values, those of columns p * kGramPanel and on.
// Adds, for a column i of panel `i` and a column j of each panel up to it, sum over rows of x_i x_j to
// sums[i][j], rows of (panel + 1) * kGramPanel sums. Products of float32 values are exact in double.
void add_gram_panel(std::span<const double> packed, std::int64_t rows, std::int64_t panel, double* sums);

// targets[t] -= sum over s of factors[t * factor_stride + s] * sources[s], s in order, for `columns` values of each:
// row t is at targets + t * target_stride, row s at sources + s * source_stride. Targets and sources do not overlap.
struct RowProducts {
  double* targets;
  std::int64_t target_stride, target_count;
  const double* sources;
  std::int64_t source_stride, source_count;
  const double* factors;
  std::int64_t factor_stride;
  std::int64_t columns;
};
void subtract_row_products(const RowProducts& products);

}  // namespace fakequant
