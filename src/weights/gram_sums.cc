#include "weights/gram_sums.h"

#include <algorithm>
#include <cstddef>

#include "parallel.h"
#include "weights/double_products.h"

namespace fakequant {
namespace {

// Sums before those of a panel.
std::int64_t sums_before(std::int64_t panel) { return kGramPanel * kGramPanel * (panel * (panel + 1) / 2); }

std::int64_t panels_of(std::int64_t columns) { return (columns + kGramPanel - 1) / kGramPanel; }

}  // namespace

GramSums::GramSums(std::int64_t columns)
    : columns_(columns), sums_(static_cast<std::size_t>(sums_before(panels_of(columns)))) {}

void GramSums::add(std::span<const float> rows, int threads) {
  const auto count = static_cast<std::int64_t>(rows.size()) / columns_;
  const auto panels = panels_of(columns_);
  packed_.assign(static_cast<std::size_t>(panels * kGramPanel * count), 0);
  parallel_for(panels, threads, [&](std::int64_t panel) {
    const auto first = panel * kGramPanel, width = std::min(kGramPanel, columns_ - first);
    double* to = packed_.data() + panel * kGramPanel * count;
    for (std::int64_t r = 0; r < count; ++r) {
      const float* from = rows.data() + r * columns_ + first;
      for (std::int64_t i = 0; i < width; ++i) to[r * kGramPanel + i] = static_cast<double>(from[i]);
    }
  });
  // The longest first.
  parallel_for(panels, threads, [&](std::int64_t i) {
    const auto panel = panels - 1 - i;
    add_gram_panel(packed_, count, panel, sums_.data() + sums_before(panel));
  });
  rows_ += count;
}

std::vector<float> GramSums::mean() const {
  std::vector<float> triangle;
  triangle.reserve(static_cast<std::size_t>(columns_ * (columns_ + 1) / 2));
  const auto divisor = static_cast<double>(std::max<std::int64_t>(rows_, 1));
  for (std::int64_t i = 0; i < columns_; ++i) {
    const auto panel = i / kGramPanel;
    const double* row = sums_.data() + sums_before(panel) + i % kGramPanel * (panel + 1) * kGramPanel;
    for (std::int64_t j = 0; j <= i; ++j) triangle.push_back(static_cast<float>(row[j] / divisor));
  }
  return triangle;
}

}  // namespace fakequant
