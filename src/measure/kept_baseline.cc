#include "measure/kept_baseline.h"

namespace fakequant {

std::size_t KeptBaseline::bytes() const {
  auto bytes = states.bytes();
  for (const auto& values : logits) bytes += values.size() * sizeof(float);
  return bytes;
}

KeptBaseline keep_baseline(Context& context, const ChunkPlan& plan, const Chunk& chunk) {
  KeptBaseline kept;
  kept.chunk = chunk;
  context.clear(static_cast<std::uint32_t>(chunk.number));
  context.keep_hidden_states(kept.states);
  for (const auto& slice : plan.slices) {
    auto predicted = predict_slice(context, chunk, slice, plan.context.threads);
    auto& values = kept.logits.emplace_back();
    const auto width = static_cast<std::size_t>(context.model().vocabulary_size());
    values.reserve(predicted.logits.size() * width);
    for (auto& logits : predicted.logits) {
      values.insert(values.end(), logits.begin(), logits.end());
      logits = {values.data() + values.size() - width, width};
    }
    kept.slices.push_back(std::move(predicted));
  }
  context.clear();
  std::vector<double> log_p;
  for (const auto& slice : kept.slices) log_p.insert(log_p.end(), slice.log_p.begin(), slice.log_p.end());
  kept.sums = sum_of_baseline(log_p);
  return kept;
}

ScoredChunk score_chunk(Context& context, const ChunkPlan& plan, const KeptBaseline& baseline, int unchanged) {
  ScoredChunk result;
  context.clear(static_cast<std::uint32_t>(baseline.chunk.number));
  result.start = context.begin_from(baseline.states, unchanged);
  for (std::size_t s = 0; s < plan.slices.size() && !result.overflow_token; ++s) {
    result.overflow_token =
        score_slice(context, baseline.chunk, plan.slices[s], baseline.slices[s], plan.context.threads, result.scores);
  }
  context.clear();
  return result;
}

}  // namespace fakequant
