// A pass of the baseline over a chunk, kept so that one variant after another can be held against it.
//
// Kept are the logits that are scored (half a chunk x the vocabulary x 4 bytes) and what the layers hand to each other
// (hidden_states.h), so that a variant which differs only from some layer on begins there.
#pragma once

#include <string>
#include <vector>

#include "engine/hidden_states.h"
#include "measure/chunk_scoring.h"
#include "measure/score_statistics.h"

namespace fakequant {

struct KeptBaseline {
  KeptBaseline() = default;
  KeptBaseline(const KeptBaseline&) = delete;  // the slices' logits lie in `logits`
  KeptBaseline& operator=(const KeptBaseline&) = delete;
  KeptBaseline(KeptBaseline&&) = default;
  KeptBaseline& operator=(KeptBaseline&&) = default;

  Chunk chunk;  // the tokens are the caller's
  std::vector<std::vector<float>> logits;
  std::vector<BaselineSlice> slices;
  HiddenStates states;
  BaselineSums sums;

  std::size_t bytes() const;
};

// Evaluates a chunk, whose tokens must outlive what is returned. `context` has a tap without rules. Throws an Error
// when a logit is not a number.
KeptBaseline keep_baseline(Context& context, const ChunkPlan& plan, const Chunk& chunk);

// The scores of a variant's predictions of that chunk, and where its evaluation began.
struct ScoredChunk {
  std::vector<TokenScore> scores;
  StartingPoint start;
  std::optional<int> overflow_token;  // as score_slice returns it
};

// `context` has a tap with the variant's rules; its model differs from the baseline's from layer `unchanged` on, or not
// at all. Ends with the slice in which a logit is not finite.
ScoredChunk score_chunk(Context& context, const ChunkPlan& plan, const KeptBaseline& baseline,
                        int unchanged = std::numeric_limits<int>::max());

}  // namespace fakequant
