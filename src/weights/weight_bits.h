// How many bits a model's weights take when some of them are held in the formats of a recipe.
#pragma once

#include <cstdint>

#include "gguf/gguf_model.h"
#include "recipe/rule.h"

namespace fakequant {

struct WeightBits {
  std::int64_t bits = 0;    // of all tensors, scales included
  std::int64_t values = 0;  // in them

  double per_value() const { return values == 0 ? 0 : static_cast<double>(bits) / static_cast<double>(values); }
};

// A tensor that a weight rule selects takes what its format takes, any other what it takes in the file. Throws as
// match_sites does.
WeightBits weight_bits(const GgufModel& model, const Recipe& recipe);

}  // namespace fakequant
