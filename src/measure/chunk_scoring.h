// Scores the predictions of a chunk, slice by slice. `eval` and `sweep` share this code, so that both give the same
// figures for a variant, to the bit.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "engine/context.h"
#include "measure/overflow.h"
#include "measure/prediction.h"
#include "measure/text_chunks.h"
#include "measure/token_score.h"

namespace fakequant {

// How every chunk is evaluated.
struct ChunkPlan {
  ChunkShape shape;
  std::vector<ChunkSlice> slices;
  ContextOptions context;  // of the contexts that do it
};

// Sizes are in tokens; 0 means the default. Throws as choose_chunk_size does.
ChunkPlan plan_chunks(const Model& model, int ctx_size, const ComputeOptions& compute, int kv_from = 0);

// The tokens of a chunk and its number in its text, which stochastic rounding and messages use.
struct Chunk {
  int number = 0;
  std::span<const Token> tokens;
};

using Logits = std::vector<std::span<const float>>;

// The baseline's predictions in a slice.
struct BaselineSlice {
  Logits logits;  // valid until the next evaluation of the baseline, unless they are copied
  std::vector<Prediction> predictions;
  std::vector<double> log_p;  // of the actual next tokens
};

// Evaluates a slice after those before it. Throws an Error when a logit is not a number.
BaselineSlice predict_slice(Context& baseline, const Chunk& chunk, const ChunkSlice& slice, int threads);

// Evaluates the same slice with a variant, and appends the scores of its predictions. Returns the index in the chunk of
// the first token after which a logit is NaN or infinite, where there is one: the scores are of no use then.
std::optional<int> score_slice(Context& variant, const Chunk& chunk, const ChunkSlice& slice,
                               const BaselineSlice& baseline, int threads, std::vector<TokenScore>& scores);

// Where a variant overflowed that has such a token.
Overflow overflow_of(const Context& variant, const ChunkPosition& position, int token);

// Appends the scores of a variant that is the baseline itself: what score_slice gives, without an evaluation.
void score_same(const Chunk& chunk, const ChunkSlice& slice, const BaselineSlice& baseline, int threads,
                std::vector<TokenScore>& scores);

}  // namespace fakequant
