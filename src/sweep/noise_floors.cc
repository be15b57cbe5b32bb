#include "sweep/noise_floors.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "measure/kept_baseline.h"
#include "measure/noise_floor.h"

namespace fakequant {
namespace {

NoiseFloor measured_floor(Context& context, const ChunkPlan& plan, const std::vector<KeptBaseline>& baselines) {
  std::vector<TokenScore> scores;
  for (const auto& baseline : baselines) {
    const auto scored = score_chunk(context, plan, baseline);
    scores.insert(scores.end(), scored.scores.begin(), scored.scores.end());
  }
  return floor_of(scores);
}

}  // namespace

void measure_noise_floors(SweepSession& session, SweepResult& result) {
  auto& context = session.context();
  if (context.arithmetic() == Arithmetic::f32) return;
  std::vector<KeptBaseline> baselines;
  std::map<std::pair<std::string, std::optional<int>>, std::optional<NoiseFloor>> floors;  // of sites and layers
  for (std::size_t v = 0; v < session.variants().size(); ++v) {
    const auto& variant = session.variants()[v];
    auto& shown = result.variants[v];
    if (variant.is_weight() || shown.chunks == 0 || shown.overflow || session.is_stopped()) continue;
    const auto [at, is_new] = floors.try_emplace({shown.site, shown.layer});
    if (is_new) {
      context.set_recipe(least_rounding({variant.planned.rule}));
      if (is_rounded_again(context.counters())) {
        if (baselines.empty()) {
          context.set_recipe({});
          for (std::size_t c = 0; c < std::min<std::size_t>(kNoiseFloorChunks, session.chunks().size()); ++c) {
            const auto& chunk = session.chunks()[c];
            baselines.push_back(keep_baseline(context, session.chunk_plan(), {chunk.position.chunk, chunk.tokens}));
          }
          context.set_recipe(least_rounding({variant.planned.rule}));
        }
        at->second = measured_floor(context, session.chunk_plan(), baselines);
      }
    }
    shown.floor = at->second;
  }
}

}  // namespace fakequant
