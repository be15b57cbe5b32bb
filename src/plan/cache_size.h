// How many bytes attention's cache takes at some length under a mix of formats.
//
// Tokens that a rule keeps in full take the bits of the untouched cache: the first ones, the most recent ones, and
// those whose group is not complete. All layers count as holding all tokens, also those whose window is shorter.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/plan_costs.h"

namespace fakequant {

// Of a cache of so many tokens. `options` holds the index of the option of each part. Unset where no part is what the
// cache holds.
std::optional<std::uint64_t> cache_bytes(const std::vector<PlanPart>& parts, const std::vector<std::size_t>& options,
                                         std::int64_t tokens);

}  // namespace fakequant
