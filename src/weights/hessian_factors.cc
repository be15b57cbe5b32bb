#include "weights/hessian_factors.h"

#include <algorithm>
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
  const Key key = {*file_.input_of(weight), matrix};
  // Others wait for a factor that is made: most want the same.
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept.first == key; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return found->second;
  }
  auto triangle = file_.triangle(key.first, matrix);
  if (rotation_.kind != Rotation::none) triangle = rotated_hessian(triangle, row_elements(weight), rotation_);
  auto factor = about(file_.path(), [&] {
    return std::make_shared<const GptqFactor>(gptq_factor(triangle, row_elements(weight), options_, 1));
  });
  if (kept_.size() == kKept) kept_.pop_back();
  kept_.emplace_front(key, factor);
  return factor;
}

}  // namespace fakequant
