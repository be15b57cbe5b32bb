// Where a variant ceased to predict: the first prediction of which a logit is NaN or infinite.
//
// Its figures would be meaningless from there on, so it has none; other variants are not affected.
#pragma once

#include <string>

#include "measure/text_chunks.h"

namespace fakequant {

struct Overflow {
  ChunkPosition position;
  int token = 0;     // its index in the chunk
  std::string site;  // the first activation that had NaN or infinity after its rounding; empty if there is none

  bool operator==(const Overflow&) const = default;
};

}  // namespace fakequant
