#include "weights/gptq.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "error.h"
#include "format/value_rounding.h"
#include "parallel.h"
#include "weights/double_products.h"

namespace fakequant {
namespace {

constexpr std::int64_t kLazy = 128;     // columns whose errors reach the later ones together
constexpr std::int64_t kTogether = 16;  // rows that are rounded together
constexpr std::int64_t kFactored = 64;  // rows of a factor that are found together

// A square matrix, row after row.
struct Square {
  explicit Square(std::int64_t size) : size(size), values(static_cast<std::size_t>(size * size)) {}

  double* at(std::int64_t row, std::int64_t column) { return values.data() + row * size + column; }
  const double* at(std::int64_t row, std::int64_t column) const { return values.data() + row * size + column; }

  std::int64_t size;
  std::vector<double> values;
};

float of_triangle(std::span<const float> lower, std::int64_t i, std::int64_t j) {
  const auto row = std::max(i, j), column = std::min(i, j);
  return lower[static_cast<std::size_t>(row * (row + 1) / 2 + column)];
}

std::vector<std::int64_t> by_falling_diagonal(std::span<const float> lower, std::int64_t columns) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(columns));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return of_triangle(lower, a, a) > of_triangle(lower, b, b); });
  return order;
}

// The damped Hessian with its last column first: upper triangle.
Square damped_backwards(std::span<const float> lower, std::int64_t columns, const std::vector<std::int64_t>& order,
                        double damping) {
  double mean = 0;
  std::vector<double> diagonal(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < columns; ++i) {
    auto& value = diagonal[static_cast<std::size_t>(i)];
    value = static_cast<double>(of_triangle(lower, i, i));
    mean += value;
    if (value == 0) value = 1;
  }
  mean /= static_cast<double>(columns);
  Square hessian(columns);
  const auto column_at = [&](std::int64_t place) {
    const auto forwards = columns - 1 - place;
    return order.empty() ? forwards : order[static_cast<std::size_t>(forwards)];
  };
  for (std::int64_t i = 0; i < columns; ++i) {
    *hessian.at(i, i) = diagonal[static_cast<std::size_t>(column_at(i))] + damping * mean;
    for (std::int64_t j = i + 1; j < columns; ++j) {
      *hessian.at(i, j) = static_cast<double>(of_triangle(lower, column_at(i), column_at(j)));
    }
  }
  return hessian;
}

// Replaces the upper triangle of A by C with C^T C = A.
void factor_in_place(Square& a, int threads) {
  const auto n = a.size;
  for (std::int64_t begin = 0; begin < n; begin += kFactored) {
    const auto end = std::min(begin + kFactored, n);
    for (std::int64_t k = begin; k < end; ++k) {
      const double pivot = *a.at(k, k);
      if (!(pivot > 0) || !std::isfinite(pivot)) {
        throw Error("the Hessian is not positive definite: take a larger damping=, or calibrate on more text");
      }
      const double root = std::sqrt(pivot);
      *a.at(k, k) = root;
      for (auto j = k + 1; j < n; ++j) *a.at(k, j) /= root;
      for (auto i = k + 1; i < end; ++i) {
        subtract_row_products({a.at(i, i), n, 1, a.at(k, i), n, 1, a.at(k, i), 1, n - i});
      }
    }
    // The rows below: row i loses the sum over k of C_ki times row k. Their factors lie in columns.
    const auto groups = (n - end + kFactored - 1) / kFactored;
    parallel_for(groups, threads, [&](std::int64_t group) {
      const auto first = end + group * kFactored, last = std::min(first + kFactored, n);
      std::vector<double> factors(static_cast<std::size_t>((last - first) * (end - begin)));
      for (auto i = first; i < last; ++i) {
        for (auto k = begin; k < end; ++k) {
          factors[static_cast<std::size_t>((i - first) * (end - begin) + k - begin)] = *a.at(k, i);
        }
      }
      subtract_row_products({a.at(first, first), n, last - first, a.at(begin, first), n, end - begin, factors.data(),
                             end - begin, n - first});
    });
  }
}

// The inverse of an upper triangular matrix.
Square inverse_of_upper(const Square& c, int threads) {
  const auto n = c.size;
  Square inverse(n);
  constexpr std::int64_t kStrip = 64;  // columns, which do not depend on each other
  parallel_for((n + kStrip - 1) / kStrip, threads, [&](std::int64_t strip) {
    const auto first = strip * kStrip, width = std::min(kStrip, n - first);
    for (auto end = first + width; end > 0; end -= std::min(kFactored, end)) {
      const auto begin = std::max<std::int64_t>(0, end - kFactored);
      for (auto i = std::max(begin, first); i < end; ++i) *inverse.at(i, i) = 1;
      const auto below = first + width - end;
      if (below > 0) {
        subtract_row_products(
            {inverse.at(begin, first), n, end - begin, inverse.at(end, first), n, below, c.at(begin, end), n, width});
      }
      for (auto i = end - 1; i >= begin; --i) {
        if (i + 1 < end) {
          subtract_row_products(
              {inverse.at(i, first), n, 1, inverse.at(i + 1, first), n, end - i - 1, c.at(i, i + 1), n, width});
        }
        for (std::int64_t j = 0; j < width; ++j) *inverse.at(i, first + j) /= *c.at(i, i);
      }
    }
  });
  return inverse;
}

// Where the errors of columns from `begin` on are taken to the later ones: no later than a block's first column, whose
// scale needs them.
std::int64_t lazy_end(std::int64_t begin, std::int64_t columns, std::int64_t block) {
  const auto end = std::min(begin + kLazy, columns);
  if (block == 0 || end == columns) return end;
  const auto at_block = end / block * block;
  return at_block > begin ? at_block : end;
}

// Rows while they are rounded, in the factor's order of columns.
class RowsInTurn {
 public:
  RowsInTurn(const Format& format, const SharedScale& shared, const GptqFactor& factor)
      : format_(format), shared_(shared), factor_(factor), n_(factor.columns) {
    const auto span = span_of_scale(format, ScaledAs::weight);
    block_ = has_scale(format) && span == Span::block ? std::min(format.block, n_) : 0;
    values_.resize(static_cast<std::size_t>(kTogether * n_));
    errors_.resize(static_cast<std::size_t>(kTogether * kLazy));
    const auto groups = block_ == 0 ? 1 : (n_ + block_ - 1) / block_;
    scales_.resize(static_cast<std::size_t>(kTogether * groups));
  }

  // Rounds at most kTogether rows.
  std::int64_t round(std::span<float> rows) {
    const auto count = static_cast<std::int64_t>(rows.size()) / n_;
    for (std::int64_t r = 0; r < count; ++r) begin_row(r, rows.subspan(at(r * n_), at(n_)));
    std::int64_t saturated = 0;
    for (std::int64_t begin = 0; begin < n_;) {
      const auto end = lazy_end(begin, n_, finds_scales_in_turn() ? block_ : 0);
      for (std::int64_t r = 0; r < count; ++r) {
        saturated += round_columns(r, begin, end, rows.subspan(at(r * n_), at(n_)));
      }
      if (end < n_) {
        subtract_row_products({values_.data() + end, n_, count, factor_.upper.data() + begin * n_ + end, n_,
                               end - begin, errors_.data(), kLazy, n_ - end});
      }
      begin = end;
    }
    return saturated;
  }

 private:
  static std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }
  bool finds_scales_in_turn() const { return block_ != 0 && factor_.order.empty(); }
  std::int64_t column_at(std::int64_t place) const { return factor_.order.empty() ? place : factor_.order[at(place)]; }
  GroupScale& scale(std::int64_t r, std::int64_t group) {
    return scales_[at(r) * (scales_.size() / at(kTogether)) + at(group)];
  }

  // Takes the values, and finds the scales that do not change with them.
  void begin_row(std::int64_t r, std::span<const float> row) {
    for (std::int64_t j = 0; j < n_; ++j) {
      const float value = row[at(column_at(j))];
      if (!std::isfinite(value)) throw Error("it has values that are not finite, and fit=gptq takes none");
      values_[at(r * n_ + j)] = static_cast<double>(value);
    }
    if (finds_scales_in_turn()) return;
    const auto length = block_ == 0 ? n_ : block_;
    for (std::int64_t begin = 0; begin < n_; begin += length) {
      scale(r, begin / length) =
          scale_of_group(format_, shared_, row.subspan(at(begin), at(std::min(length, n_ - begin))));
    }
  }

  void find_block_scale(std::int64_t r, std::int64_t column) {
    block_values_.clear();
    for (auto j = column; j < std::min(column + block_, n_); ++j) {
      block_values_.push_back(static_cast<float>(values_[at(r * n_ + j)]));
    }
    scale(r, column / block_) = scale_of_group(format_, shared_, block_values_);
  }

  std::int64_t round_columns(std::int64_t r, std::int64_t begin, std::int64_t end, std::span<float> row) {
    std::int64_t saturated = 0;
    double* values = values_.data() + r * n_;
    double* errors = errors_.data() + r * kLazy;
    for (auto j = begin; j < end; ++j) {
      const auto column = column_at(j);
      if (finds_scales_in_turn() && column % block_ == 0) find_block_scale(r, column);
      const auto rounded =
          round_in_group(format_, scale(r, block_ == 0 ? 0 : column / block_), static_cast<float>(values[j]));
      row[at(column)] = rounded.value;
      saturated += rounded.saturated;
      const double* factors = factor_.upper.data() + j * n_;
      errors[j - begin] = (values[j] - static_cast<double>(rounded.value)) / factors[j];
      subtract_row_products({values + j + 1, n_, 1, factors + j + 1, n_, 1, errors + (j - begin), 1, end - j - 1});
    }
    return saturated;
  }

  const Format& format_;
  const SharedScale& shared_;
  const GptqFactor& factor_;
  std::int64_t n_;
  std::int64_t block_ = 0;  // values that share a scale; 0: a row, or a tensor
  std::vector<double> values_, errors_;
  std::vector<float> block_values_;
  std::vector<GroupScale> scales_;  // of each row, those of its blocks from left to right
};

}  // namespace

GptqFactor gptq_factor(std::span<const float> lower, std::int64_t columns, const GptqOptions& options, int threads) {
  GptqFactor factor;
  factor.columns = columns;
  if (options.order == ColumnOrder::activation) factor.order = by_falling_diagonal(lower, columns);
  auto backwards = damped_backwards(lower, columns, factor.order, options.damping);
  factor_in_place(backwards, threads);
  const auto inverse = inverse_of_upper(backwards, threads);
  // With the columns backwards H is C^T C, so forwards its inverse is U^T U with U_ab = (C^-1)_(n-1-b)(n-1-a).
  auto& upper = backwards.values;
  for (std::int64_t a = 0; a < columns; ++a) {
    for (std::int64_t b = 0; b < columns; ++b) {
      upper[static_cast<std::size_t>(a * columns + b)] = b < a ? 0.0 : *inverse.at(columns - 1 - b, columns - 1 - a);
    }
  }
  factor.upper = std::move(upper);
  return factor;
}

std::int64_t gptq_round_rows(const Format& format, const SharedScale& shared, const GptqFactor& factor,
                             std::span<float> rows) {
  RowsInTurn turn(format, shared, factor);
  const auto together = static_cast<std::size_t>(kTogether * factor.columns);
  std::int64_t saturated = 0;
  for (std::size_t begin = 0; begin < rows.size(); begin += together) {
    saturated += turn.round(rows.subspan(begin, std::min(together, rows.size() - begin)));
  }
  return saturated;
}

}  // namespace fakequant
