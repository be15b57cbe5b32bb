#include "engine/channel_groups.h"

#include <vector>

#include "recipe/cache_tokens.h"

namespace fakequant {

std::int64_t round_complete_groups(const SiteRounding& rounding, const FullCache& cache, const TokenBatch& batch,
                                   int threads, SiteCounters& counters) {
  const auto group = cache.tokens().group, width = cache.width();
  std::vector<std::int64_t> first_tokens;
  for (const auto id : batch.positions) {
    const auto position = position_in_text(id);
    if (completes_group(cache.tokens(), position)) first_tokens.push_back(position - group + 1);
  }
  std::vector<float> channels(first_tokens.size() *
                              static_cast<std::size_t>(width * group));  // [group][channel][token]
  std::vector<float> of_token(static_cast<std::size_t>(width));
  const auto value = [&](std::size_t g, std::int64_t channel, std::int64_t token) -> float& {
    return channels[(g * static_cast<std::size_t>(width) + static_cast<std::size_t>(channel)) *
                        static_cast<std::size_t>(group) +
                    static_cast<std::size_t>(token)];
  };
  for (std::size_t g = 0; g < first_tokens.size(); ++g) {
    for (std::int64_t t = 0; t < group; ++t) {
      cache.read(first_tokens[g] + t, of_token.data());
      for (std::int64_t c = 0; c < width; ++c) value(g, c, t) = of_token[static_cast<std::size_t>(c)];
    }
  }
  const NodeShape shape{group, width, static_cast<std::int64_t>(first_tokens.size()), 1};
  const auto rounded = round_site(rounding, channels.data(), shape, batch, threads, counters);
  for (std::size_t g = 0; g < first_tokens.size(); ++g) {
    for (std::int64_t t = 0; t < group; ++t) {
      for (std::int64_t c = 0; c < width; ++c) of_token[static_cast<std::size_t>(c)] = value(g, c, t);
      cache.replace(first_tokens[g] + t, of_token);
    }
  }
  return rounded;
}

}  // namespace fakequant
