#include "weights/weight_bits.h"

#include <algorithm>

#include "format/storage_bits.h"
#include "recipe/site_match.h"
#include "weights/weight_sites.h"

namespace fakequant {

WeightBits weight_bits(const GgufModel& model, const Recipe& recipe) {
  const auto rules = rules_of_kind(recipe, SiteKind::weight);
  const auto winners = match_sites(rules, weight_sites(model), layer_count(model.tensors()));
  WeightBits total;
  for (std::size_t t = 0; t < winners.size(); ++t) {
    const auto& tensor = model.tensors()[t];
    total.values += tensor.elements;
    if (!winners[t]) {
      total.bits += static_cast<std::int64_t>(tensor.size) * 8;
      continue;
    }
    const auto length = std::max<std::int64_t>(1, row_elements(tensor));
    total.bits += storage_bits(rules[*winners[t]].format,
                               {tensor.elements / length, length, tensor.shape.size() > 1 ? tensor.shape[1] : 0},
                               ScaledAs::weight);
  }
  return total;
}

}  // namespace fakequant
