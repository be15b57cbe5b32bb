// A chunk's predictions, scored slice by slice: what `eval` and `sweep` share, so that both say the same of a variant,
// to the bit.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/context.h"
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

// Sizes are in tokens, 0 where they are not given. Throws as choose_chunk_size does.
ChunkPlan plan_chunks(const Model& model, int ctx_size, int batch_size, int threads);

// A chunk's tokens. Its number is that in its text, which stochastic rounding looks at, as messages do.
struct Chunk {
  int number = 0;
  std::span<const Token> tokens;
};

using Logits = std::vector<std::span<const float>>;

// What the baseline predicts in a slice.
struct BaselineSlice {
  Logits logits;  // valid until the baseline's next evaluation, unless they are kept elsewhere
  std::vector<Prediction> predictions;
  std::vector<double> log_p;  // of the tokens that came
};

// Evaluates a slice behind those before it. Throws an Error when a logit is not a number.
BaselineSlice predict_slice(Context& baseline, const Chunk& chunk, const ChunkSlice& slice, int threads);

// The same of a variant, called `name`, and adds the scores of its predictions.
void score_slice(Context& variant, const std::string& name, const Chunk& chunk, const ChunkSlice& slice,
                 const BaselineSlice& baseline, int threads, std::vector<TokenScore>& scores);

}  // namespace fakequant
