#include "measure/importance_collector.h"

#include <cstddef>

namespace fakequant {

void ImportanceCollector::add(const ProductInput& input) {
  if (!input.weight.starts_with("blk.")) return;
  auto& sums = weights_[input.weight];
  const auto columns = input.row.size();
  if (sums.counts.empty()) {
    const auto matrices = static_cast<std::size_t>(input.matrices);
    sums.columns = static_cast<std::int64_t>(columns);
    sums.sum.resize(columns * matrices);
    sums.sum_of_squares.resize(columns * matrices);
    sums.counts.resize(matrices);
  }
  const auto matrix = static_cast<std::size_t>(input.matrix);
  ++sums.counts[matrix];
  double* sum = sums.sum.data() + matrix * columns;
  double* squares = sums.sum_of_squares.data() + matrix * columns;
  for (std::size_t i = 0; i < columns; ++i) {
    const double x = input.row[i];
    sum[i] += x;
    squares[i] += x * x;
  }
}

}  // namespace fakequant
