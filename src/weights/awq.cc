#include "weights/awq.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace fakequant {

std::vector<float> diagonal_of(std::span<const float> lower) {
  std::vector<float> diagonal;
  for (std::size_t at = 0; at < lower.size(); at += diagonal.size() + 1) diagonal.push_back(lower[at]);
  return diagonal;
}

std::vector<float> awq_scales(std::span<const float> diagonal, int step) {
  constexpr double kLeast = 1e-4;
  const double exponent = static_cast<double>(step) / kAwqSteps;
  std::vector<double> powers;
  for (const float square : diagonal) {
    powers.push_back(std::max(std::pow(std::sqrt(static_cast<double>(square)), exponent), kLeast));
  }
  const auto [least, most] = std::minmax_element(powers.begin(), powers.end());
  const double middle = std::sqrt(*least * *most);
  std::vector<float> scales;
  for (const double power : powers) scales.push_back(static_cast<float>(power / middle));
  return scales;
}

double output_error(const GramSums& errors, std::span<const float> lower) {
  const auto products = errors.mean();
  double diagonal = 0, below = 0;
  std::size_t at = 0;
  for (std::int64_t i = 0; i < errors.columns(); ++i) {
    for (std::int64_t j = 0; j < i; ++j, ++at)
      below += static_cast<double>(products[at]) * static_cast<double>(lower[at]);
    diagonal += static_cast<double>(products[at]) * static_cast<double>(lower[at]);
    ++at;
  }
  return diagonal + 2 * below;
}

}  // namespace fakequant
