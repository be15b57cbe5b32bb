#include "weights/hessian_factors.h"

#include <algorithm>

#include "error.h"

namespace fakequant {

std::shared_ptr<const GptqFactor> HessianFactors::of(const TensorInfo& weight, std::int64_t matrix) {
  const Key key = {*file_.input_of(weight), matrix};
  // Others wait for a factor that is made: most want the same.
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept.first == key; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return found->second;
  }
  const auto triangle = file_.triangle(key.first, matrix);
  auto factor = about(file_.path(), [&] {
    return std::make_shared<const GptqFactor>(gptq_factor(triangle, row_elements(weight), options_, 1));
  });
  if (kept_.size() == kKept) kept_.pop_back();
  kept_.emplace_front(key, factor);
  return factor;
}

}  // namespace fakequant
