#include "measure/noise_floor.h"

#include <algorithm>

namespace fakequant {

bool is_rounded_again(const std::vector<SiteCounters>& sites) {
  return std::any_of(sites.begin(), sites.end(), [](const SiteCounters& site) {
    return std::any_of(site.readers.begin(), site.readers.end(), [](const Reader& reader) {
      return !reader.weight.empty() && !reader.rounds_to.empty() && reader.rounds_to != "F32";
    });
  });
}

Recipe least_rounding(const Recipe& activation_rules) {
  auto recipe = activation_rules;
  for (auto& rule : recipe) rule.format = parse_format("mantissa22");
  return recipe;
}

NoiseFloor floor_of(const std::vector<TokenScore>& scores) {
  NoiseFloor floor;
  for (const auto& score : scores) floor.kld += score.kld;
  floor.predictions = static_cast<std::int64_t>(scores.size());
  floor.kld /= static_cast<double>(std::max<std::int64_t>(1, floor.predictions));
  return floor;
}

NoiseFloor measure_noise_floor(Context& baseline, Context& least, const ChunkPlan& plan, const Text& text,
                               int threads) {
  TextChunks chunks(baseline.model(), text, static_cast<int>(plan.shape.ctx_size), kNoiseFloorChunks);
  std::vector<TokenScore> scores;
  int number = 0;
  while (const auto tokens = chunks.next()) {
    const Chunk chunk{number++, *tokens};
    baseline.clear(static_cast<std::uint32_t>(chunk.number));
    least.clear(static_cast<std::uint32_t>(chunk.number));
    for (const auto& slice : plan.slices) {
      score_slice(least, chunk, slice, predict_slice(baseline, chunk, slice, threads), threads, scores);
    }
  }
  return floor_of(scores);
}

}  // namespace fakequant
