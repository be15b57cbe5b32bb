#include "weights/hessian_factors.h"

#include <cstddef>
#include <utility>

#include "error.h"

namespace fakequant {

std::vector<float> rotated_hessian(std::span<const float> lower, std::int64_t columns, const Rotation& rotation) {
  const auto n = static_cast<std::size_t>(columns);
  std::vector<float> square(n * n);
  const auto at = [&](std::size_t i, std::size_t j) -> float& { return square[i * n + j]; };
  for (std::size_t i = 0, next = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) at(i, j) = at(j, i) = lower[next++];
  }
  rotate_rows(rotation, Turn::forward, square, columns);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) std::swap(at(i, j), at(j, i));
  }
  rotate_rows(rotation, Turn::forward, square, columns);
  std::vector<float> rotated;
  for (std::size_t i = 0; i < n; ++i) {
    rotated.insert(rotated.end(), &at(i, 0), &at(i, 0) + i + 1);
  }
  return rotated;
}

std::shared_ptr<const GptqFactor> HessianFactors::of(const TensorInfo& weight, std::int64_t matrix) {
  const auto columns = row_elements(weight);
  return kept_.of(file_, weight, matrix, [&](std::vector<float> triangle) {
    if (rotation_.kind != Rotation::none) triangle = rotated_hessian(triangle, columns, rotation_);
    return about(file_.path(), [&] { return gptq_factor(triangle, columns, options_, 1); });
  });
}

}  // namespace fakequant
