#include "engine/channel_groups.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "recipe/cache_tokens.h"

namespace fakequant {
namespace {

// Where the values of a token are, by its position.
struct TokenValues {
  std::int64_t width = 0;
  std::function<void(std::int64_t position, float* values)> read;
  std::function<void(std::int64_t position, std::span<const float> values)> replace;
};

// The first token of each group that the batch completes.
std::vector<std::int64_t> complete_groups(const CacheTokens& cache_tokens, const TokenBatch& batch) {
  std::vector<std::int64_t> first_tokens;
  for (const auto id : batch.positions) {
    const auto position = position_in_text(id);
    if (completes_group(cache_tokens, position)) first_tokens.push_back(position - cache_tokens.group + 1);
  }
  return first_tokens;
}

std::int64_t round_groups(const SiteRounding& rounding, std::int64_t group,
                          const std::vector<std::int64_t>& first_tokens, const TokenValues& tokens,
                          const TokenBatch& batch, int threads, SiteCounters& counters) {
  const auto width = tokens.width;
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
      tokens.read(first_tokens[g] + t, of_token.data());
      for (std::int64_t c = 0; c < width; ++c) value(g, c, t) = of_token[static_cast<std::size_t>(c)];
    }
  }
  const NodeShape shape{group, width, static_cast<std::int64_t>(first_tokens.size()), 1};
  const auto rounded = round_site(rounding, channels.data(), shape, batch, threads, counters);
  for (std::size_t g = 0; g < first_tokens.size(); ++g) {
    for (std::int64_t t = 0; t < group; ++t) {
      for (std::int64_t c = 0; c < width; ++c) of_token[static_cast<std::size_t>(c)] = value(g, c, t);
      tokens.replace(first_tokens[g] + t, of_token);
    }
  }
  return rounded;
}

}  // namespace

std::int64_t round_complete_groups(const SiteRounding& rounding, const FullCache& cache, const TokenBatch& batch,
                                   int threads, SiteCounters& counters) {
  const TokenValues tokens{
      cache.width(), [&](std::int64_t position, float* values) { cache.read(position, values); },
      [&](std::int64_t position, std::span<const float> values) { cache.replace(position, values); }};
  return round_groups(rounding, cache.tokens().group, complete_groups(cache.tokens(), batch), tokens, batch, threads,
                      counters);
}

void round_groups_in_copy(const SiteRounding& rounding, const CacheTokens& cache_tokens, std::span<float> values,
                          const TokenBatch& batch, int threads) {
  const auto width = values.size() / batch.positions.size();
  const auto first = position_in_text(batch.positions.front());
  const auto of_token = [&](std::int64_t position) {
    return values.subspan(static_cast<std::size_t>(position - first) * width, width);
  };
  const TokenValues tokens{
      static_cast<std::int64_t>(width),
      [&](std::int64_t position, float* to) { std::ranges::copy(of_token(position), to); },
      [&](std::int64_t position, std::span<const float> from) { std::ranges::copy(from, of_token(position).begin()); }};
  auto first_tokens = complete_groups(cache_tokens, batch);
  std::erase_if(first_tokens, [&](std::int64_t token) { return token < first; });
  SiteCounters unused;
  round_groups(rounding, cache_tokens.group, first_tokens, tokens, batch, threads, unused);
}

}  // namespace fakequant
