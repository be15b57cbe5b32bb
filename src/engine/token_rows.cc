#include "engine/token_rows.h"

namespace fakequant {

TokenLayout token_layout(const NodeShape& shape, const NodeShape& shape_for_one_token, const TokenBatch& batch) {
  const std::int64_t values = shape[0] * shape[1] * shape[2] * shape[3];
  if (batch.places.size() == 1) return {values, 1, 1, shape[0], batch.places, true};
  for (const auto* places : {&batch.places, &batch.output_places}) {
    const auto tokens = static_cast<std::int64_t>(places->size());
    for (std::size_t d = shape.size(); d-- > 0 && tokens > 0;) {
      if (shape_for_one_token[d] != 1 || shape[d] != tokens) continue;
      std::int64_t inner = 1;
      for (std::size_t i = 0; i < d; ++i) inner *= shape[i];
      const auto outer = values / (inner * tokens);
      return {inner, tokens, outer, d == 0 ? outer : shape[0], *places, true};
    }
  }
  return {values, 1, 1, shape[0], {0}, false};
}

}  // namespace fakequant
