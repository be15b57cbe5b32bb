#include "format/smoothing.h"

#include <algorithm>
#include <cmath>

namespace fakequant {

std::vector<float> smoothing_scales(std::span<const float> input_absmax, std::span<const float> weight_absmax,
                                    double alpha) {
  constexpr double kLeast = 1e-5;
  std::vector<float> scales(input_absmax.size(), 1);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    if (input_absmax[j] == 0) continue;
    const double weight = std::max(static_cast<double>(weight_absmax[j]), kLeast);
    const double scale = std::pow(static_cast<double>(input_absmax[j]), alpha) / std::pow(weight, 1 - alpha);
    scales[j] = static_cast<float>(std::max(scale, kLeast));
  }
  return scales;
}

void raise_to_rows(std::span<float> absmax, std::span<const float> rows) {
  for (std::size_t row = 0; row < rows.size(); row += absmax.size()) {
    for (std::size_t c = 0; c < absmax.size(); ++c) {
      const float magnitude = std::fabs(rows[row + c]);
      absmax[c] = magnitude > absmax[c] || std::isnan(magnitude) ? magnitude : absmax[c];
    }
  }
}

void scale_columns(std::span<const float> factors, Turn turn, std::span<float> values, std::size_t first) {
  for (std::size_t begin = 0, at = first; begin < values.size(); at = 0) {
    const auto count = std::min(factors.size() - at, values.size() - begin);
    float* const x = values.data() + begin;
    const float* const factor = factors.data() + at;
    if (turn == Turn::forward) {
      for (std::size_t i = 0; i < count; ++i) x[i] *= factor[i];
    } else {
      for (std::size_t i = 0; i < count; ++i) x[i] /= factor[i];
    }
    begin += count;
  }
}

}  // namespace fakequant
