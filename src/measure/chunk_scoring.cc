#include "measure/chunk_scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "error.h"
#include "parallel.h"

namespace fakequant {
namespace {

// The index in the chunk of the first token whose prediction is scored.
std::size_t first_scored(const ChunkSlice& slice) { return slice.begin + slice.outputs.first; }

// Throws when a prediction of the baseline is not a distribution; `token` is its index in the chunk.
void check(double log_sum, int chunk, std::size_t token) {
  if (!std::isfinite(log_sum)) {
    throw Error(fmt::format("a logit of the baseline is not a number: chunk {}, token {}", chunk, token));
  }
}

// Evaluates a slice; returns its logits, which are valid until the context's next evaluation.
Logits run(Context& context, const Chunk& chunk, const ChunkSlice& slice) {
  context.evaluate(chunk.tokens.subspan(slice.begin, slice.size()), slice.outputs);
  Logits logits;
  for (std::size_t i = 0; i < slice.outputs.count; ++i) logits.push_back(context.logits(slice.outputs.first + i));
  return logits;
}

// Appends the scores of a variant's predictions in a slice, which its logits are.
void append_scores(const Logits& variant, const Chunk& chunk, const ChunkSlice& slice, const BaselineSlice& baseline,
                   int threads, std::vector<TokenScore>& scores) {
  const auto first = first_scored(slice);
  const auto before = scores.size();
  scores.resize(before + variant.size());
  parallel_for(static_cast<std::int64_t>(variant.size()), threads, [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    scores[before + index] = score_token(baseline.logits[index], baseline.predictions[index], variant[index],
                                         chunk.tokens[first + index + 1]);
  });
}

}  // namespace

ChunkPlan plan_chunks(const Model& model, int ctx_size, const ComputeOptions& compute, int kv_from) {
  const int size = choose_chunk_size(model, ctx_size);
  if (kv_from > size - 2) {
    throw usage_error(fmt::format(
        "a chunk of {} tokens has no prediction with {} tokens before it: take longer chunks, or {} at most", size,
        kv_from, size - 2));
  }
  ChunkPlan plan;
  plan.shape = {static_cast<std::size_t>(size), static_cast<std::size_t>(kv_from)};
  plan.slices = plan.shape.slices(model.vocabulary_size());
  plan.context = context_options(size, compute);
  for (const auto& slice : plan.slices) {
    plan.context.max_outputs = std::max(plan.context.max_outputs, static_cast<int>(slice.outputs.count));
  }
  return plan;
}

BaselineSlice predict_slice(Context& baseline, const Chunk& chunk, const ChunkSlice& slice, int threads) {
  const auto first = first_scored(slice);
  BaselineSlice result;
  result.logits = run(baseline, chunk, slice);
  result.predictions.resize(result.logits.size());
  parallel_for(static_cast<std::int64_t>(slice.outputs.count), threads, [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    result.predictions[index] = predict(result.logits[index]);
    check(result.predictions[index].log_sum, chunk.number, first + index);
  });
  for (std::size_t i = 0; i < result.logits.size(); ++i) {
    result.log_p.push_back(log_probability(result.logits[i], result.predictions[i], chunk.tokens[first + i + 1]));
  }
  return result;
}

std::optional<int> score_slice(Context& variant, const Chunk& chunk, const ChunkSlice& slice,
                               const BaselineSlice& baseline, int threads, std::vector<TokenScore>& scores) {
  const auto logits = run(variant, chunk, slice);
  const auto before = scores.size();
  append_scores(logits, chunk, slice, baseline, threads, scores);
  // A divergence may be infinite where a prediction is a distribution.
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(scores[before + i].kld) || std::isfinite(predict(logits[i]).log_sum)) continue;
    return static_cast<int>(first_scored(slice) + i);
  }
  return std::nullopt;
}

Overflow overflow_of(const Context& variant, const ChunkPosition& position, int token) {
  Overflow overflow{position, token, {}};
  for (const auto& site : variant.counters()) {
    if (site.errors.not_finite == 0) continue;
    overflow.site = site.site;
    break;
  }
  return overflow;
}

void score_same(const Chunk& chunk, const ChunkSlice& slice, const BaselineSlice& baseline, int threads,
                std::vector<TokenScore>& scores) {
  append_scores(baseline.logits, chunk, slice, baseline, threads, scores);
}

}  // namespace fakequant
