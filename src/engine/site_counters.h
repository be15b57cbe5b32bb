// What a tap did at one site, counted over all evaluations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "format/rounding_errors.h"
#include "recipe/cache_tokens.h"

namespace fakequant {

struct SiteCounters {
  std::string site;  // its whole name, "ffn_norm-3"
  int layer = -1;    // -1 for what belongs to no layer
  std::string format;
  std::string tokens = "all";     // those whose values were rounded
  CacheTokens cache_tokens = {};  // of attention's cache: which of those are in full
  std::int64_t evaluations = 0;   // of the graph, in which the node was computed and rounded once
  std::int64_t rows = 0;          // one a token, or one a head of each token where the node has heads
  std::int64_t columns = 0;       // 0 where rows had different numbers of them
  RoundingErrors errors;          // errors.elements = rows x columns proves that each value was rounded exactly once
  std::vector<Reader> readers;    // of the values
  std::vector<Reader> other_readers;  // those of them that the rule does not mean
};

}  // namespace fakequant
