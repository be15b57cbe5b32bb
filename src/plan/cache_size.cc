#include "plan/cache_size.h"

namespace fakequant {

std::optional<std::uint64_t> cache_bytes(const std::vector<PlanPart>& parts, const std::vector<std::size_t>& options,
                                         std::int64_t tokens) {
  std::optional<std::int64_t> bits;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!parts[p].is_cache) continue;
    const auto& untouched = parts[p].options.front();
    const auto& option = parts[p].options[options[p]];
    const auto in_full = option.rule ? tokens_in_full(option.rule->cache_tokens, tokens) : 0;
    bits = bits.value_or(0) + in_full * untouched.bits + (tokens - in_full) * option.bits;
  }
  return bits ? std::optional(static_cast<std::uint64_t>((*bits + 7) / 8)) : std::nullopt;
}

}  // namespace fakequant
