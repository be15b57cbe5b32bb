// The sum of x x^T over rows x: the Hessian of a product's squared error, but for a factor.
//
// Sums are in double and in the order of the rows, whatever the number of threads. Only the lower triangle is kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fakequant {

class GramSums {
 public:
  explicit GramSums(std::int64_t columns);

  // Adds whole rows.
  void add(std::span<const float> rows, int threads);

  std::int64_t columns() const { return columns_; }
  std::int64_t rows() const { return rows_; }

  // The lower triangle, row by row, divided by the number of rows and rounded to float32; zeros without rows.
  std::vector<float> mean() const;

 private:
  std::int64_t columns_;
  std::int64_t rows_ = 0;
  std::vector<double> sums_;    // of panels of columns (double_products.h), one panel after the other
  std::vector<double> packed_;  // the rows that are added
};

}  // namespace fakequant
