// What a tap did at one site, counted over all evaluations.
#pragma once

#include <cstdint>
#include <string>

#include "format/rounding_errors.h"

namespace fakequant {

struct SiteCounters {
  std::string site;  // the node's name, "ffn_norm-3"
  int layer = -1;    // -1 for what belongs to no layer
  std::string format;
  std::int64_t evaluations = 0;  // of the graph, in which the node was computed and rounded once
  std::int64_t rows = 0;         // one a token, or one a head of each token where the node has heads
  std::int64_t columns = 0;
  RoundingErrors errors;  // errors.elements = rows x columns proves that each value was rounded exactly once
};

}  // namespace fakequant
