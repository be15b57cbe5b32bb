#include "engine/token_rows.h"

#include "error.h"

namespace fakequant {

std::int64_t elements_of(const NodeShape& shape) { return shape[0] * shape[1] * shape[2] * shape[3]; }

TokenDimension find_token_dimension(const std::vector<NodeShape>& two, const std::vector<NodeShape>& three) {
  if (two.size() != three.size() || two.empty()) return {};
  if (two[0] == three[0]) return {TokenDimension::none, 0, false, {}};
  for (std::size_t s = 0; s < two.size(); ++s) {
    for (std::size_t d = 0; d < two[s].size(); ++d) {
      if (two[s][d] != 2 || three[s][d] != 3) continue;
      auto one = two[s], other = three[s];
      one[d] = other[d] = 1;
      if (one == other) return {TokenDimension::found, d, s > 0, one};
    }
  }
  return {};
}

TokenLayout token_layout(const NodeShape& shape, const TokenDimension& dimension, const TokenBatch& batch) {
  const auto values = elements_of(shape);
  if (dimension.kind != TokenDimension::found) return {values, 1, 1, shape[0], {0}};
  auto counted = shape;
  if (dimension.is_of_view) {
    counted = dimension.view;
    counted[dimension.index] = values / elements_of(counted);
  }
  const auto tokens = counted[dimension.index];
  for (const auto* positions : {&batch.positions, &batch.output_positions}) {
    if (tokens != static_cast<std::int64_t>(positions->size()) || elements_of(counted) != values) continue;
    if (tokens == 0) return {0, 0, 0, shape[0], {}};
    std::int64_t inner = 1;
    for (std::size_t i = 0; i < dimension.index; ++i) inner *= counted[i];
    const auto outer = values / (inner * tokens);
    // Rows are the node's own, where it has them.
    const auto row = dimension.index == 0 ? outer : shape[0];
    return {inner, tokens, outer, row, *positions};
  }
  throw Error("it has values of other tokens than those evaluated: this version of llama.cpp is not understood");
}

}  // namespace fakequant
