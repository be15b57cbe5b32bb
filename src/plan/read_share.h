// How much of a weight is read for a token.
//
// All of it, but for experts, of which a token's router takes some, and for a table of embeddings, of which a token
// reads its row.
#pragma once

#include <cstdint>

#include "gguf/gguf_model.h"

namespace fakequant {

struct ReadShare {
  std::int64_t read = 1, of = 1;

  // So much of an amount, rounded up.
  std::int64_t share(std::int64_t amount) const { return (amount * read + of - 1) / of; }
};

ReadShare read_share(const GgufModel& model, const TensorInfo& tensor);

// The weights that a token reads: the sum of the elements' shares.
std::int64_t read_elements(const GgufModel& model);

}  // namespace fakequant
