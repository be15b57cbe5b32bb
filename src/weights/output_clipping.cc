#include "weights/output_clipping.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "format/integer_kernel.h"
#include "format/scale_search.h"
#include "weights/double_products.h"
#include "weights/hessian_factors.h"

namespace fakequant {
namespace {

std::int64_t block_of(const Format& format) {
  return span_of_scale(format, ScaledAs::weight) == Span::block ? format.block : 0;
}

std::span<const float> part_of(std::span<const float> values, std::int64_t begin, std::int64_t count) {
  return values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}

// Values that share one scale, which is found elsewhere.
Format of_group(Format format) {
  format.per = Span::tensor;
  format.range = {};
  format.rotation = {};
  return format;
}

// The Hessian of inputs that are divided by factors of their columns.
void divide_by_factors(std::span<const float> factors, std::vector<float>& lower) {
  auto value = lower.begin();
  for (std::size_t row = 0; row < factors.size(); ++row) {
    for (std::size_t column = 0; column <= row; ++column, ++value) {
      const auto product = static_cast<double>(factors[row]) * static_cast<double>(factors[column]);
      *value = static_cast<float>(static_cast<double>(*value) / product);
    }
  }
}

}  // namespace

DiagonalBlocks::DiagonalBlocks(std::span<const float> lower, std::int64_t columns, std::int64_t block)
    : block_(std::min(block, columns)) {
  for (std::int64_t begin = 0; begin < columns; begin += block_) {
    const auto end = std::min(begin + block_, columns);
    for (auto i = begin; i < end; ++i) {
      for (auto j = begin; j < end; ++j) {
        const auto row = std::max(i, j), column = std::min(i, j);
        values_.push_back(static_cast<double>(lower[static_cast<std::size_t>(row * (row + 1) / 2 + column)]));
      }
    }
  }
}

OutputHessians::OutputHessians(const Format& format)
    : block_(block_of(format)), rotation_(format.rotation), file_(format.gptq.hessian_file) {}

bool OutputHessians::is_for(const Format& format) const {
  return block_ == block_of(format) && rotation_ == format.rotation && file_.path() == format.gptq.hessian_file;
}

std::shared_ptr<const DiagonalBlocks> OutputHessians::of(const TensorInfo& weight, std::int64_t matrix,
                                                         std::span<const float> factors) {
  const auto columns = row_elements(weight);
  const auto make = [&](std::vector<float> triangle) {
    if (!factors.empty()) divide_by_factors(factors, triangle);
    if (rotation_.kind != Rotation::none) triangle = rotated_hessian(triangle, columns, rotation_);
    return DiagonalBlocks(triangle, columns, block_ == 0 ? columns : block_);
  };
  return kept_.of(file_, weight, matrix, make, factors.empty() ? std::string() : weight.name);
}

OutputClipping::OutputClipping(const Format& format, std::int64_t columns)
    : format_(of_group(format)),
      tried_(format_),
      columns_(columns),
      block_(block_of(format) == 0 ? columns : std::min(block_of(format), columns)) {
  tried_.rounding = rounding_tried(format);
}

std::int64_t OutputClipping::round_rows(const DiagonalBlocks& hessian, std::span<float> rows,
                                        const RandomStream& random, std::uint64_t first) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  std::int64_t saturated = 0;
  std::vector<double> errors;
  for (std::int64_t row = 0; row < count; row += columns_) {
    for (std::int64_t column = 0; column < columns_; column += block_) {
      const auto group = rows.subspan(static_cast<std::size_t>(row + column),
                                      static_cast<std::size_t>(std::min(block_, columns_ - column)));
      const auto range = range_of(group);
      errors.assign(kRangesTried, 0);
      add_errors_of_group(hessian.at(column), range, group, errors);
      Placement placement;
      placement.scale = best_scale(format_, range, errors);
      placement.random = random;
      placement.first = first + static_cast<std::uint64_t>(row + column);
      saturated += round_values(format_, group, placement);
    }
  }
  return saturated;
}

void OutputClipping::add_errors(const DiagonalBlocks& hessian, const ValueRange& range, std::span<const float> rows,
                                std::vector<double>& sums) const {
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(rows.size()); row += columns_) {
    for (std::int64_t column = 0; column < columns_; column += block_) {
      add_errors_of_group(hessian.at(column), range, part_of(rows, row + column, std::min(block_, columns_ - column)),
                          sums);
    }
  }
}

void OutputClipping::add_errors_of_group(const double* hessian, const ValueRange& range, std::span<const float> group,
                                         std::vector<double>& sums) const {
  const auto n = group.size();
  static thread_local std::vector<float> rounded;
  static thread_local std::vector<double> errors, products;
  rounded.resize(n);
  errors.assign(kRangesTried * n, 0);
  products.assign(errors.size(), 0);
  for (int percent = 1; percent <= kRangesTried; ++percent) {
    const auto t = static_cast<std::size_t>(percent - 1);
    const auto scale = scale_tried(tried_, range, percent);
    if (!scale) {
      sums[t] = std::numeric_limits<double>::infinity();
      continue;
    }
    std::copy(group.begin(), group.end(), rounded.begin());
    round_values(tried_, rounded, {.scale = scale});
    for (std::size_t i = 0; i < n; ++i) {
      const float error = rounded[i] - group[i];
      errors[t * n + i] = std::isfinite(error) ? static_cast<double>(error) : 0;
    }
  }
  // The products become -e H, for the errors under all ranges at once.
  const auto length = static_cast<std::int64_t>(n);
  subtract_row_products(
      {products.data(), length, kRangesTried, hessian, length, length, errors.data(), length, length});
  for (std::size_t t = 0; t < sums.size(); ++t) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum -= products[t * n + i] * errors[t * n + i];
    sums[t] += sum;
  }
}

}  // namespace fakequant
