// Rounds what attention's cache holds with a scale for each channel over a group of tokens, per=channel,group=N.
//
// A group can be rounded when its last token is there. Until then its tokens stay in the cache as they were written,
// and whoever computes with them reads them so from a full cache, where they also remain (full_cache.h).
#pragma once

#include <cstdint>
#include <span>

#include "engine/full_cache.h"
#include "engine/site_counters.h"
#include "engine/site_rounding.h"
#include "engine/token_rows.h"

namespace fakequant {

// Rounds in the cache the groups that the tokens of this batch, which `cache` has, complete. A row of the counters is a
// channel of a group. Returns how many values were rounded. Throws as FullCache::replace does.
std::int64_t round_complete_groups(const SiteRounding& rounding, const FullCache& cache, const TokenBatch& batch,
                                   int threads, SiteCounters& counters);

// Rounds the groups that lie within the batch in a copy of its values, which has all of a token's next to each other.
void round_groups_in_copy(const SiteRounding& rounding, const CacheTokens& cache_tokens, std::span<float> values,
                          const TokenBatch& batch, int threads);

}  // namespace fakequant
