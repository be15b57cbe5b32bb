// What a variant makes of one short text: its divergence from the baseline at each token. Unlike `eval`, which scores
// the second half of each chunk, every prediction counts: a text of some lines has few.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "engine/context.h"
#include "measure/score_quantities.h"

namespace fakequant {

struct TextDivergence {
  std::int64_t predictions = 0;
  Estimate baseline_ppl;
  DivergenceFigures figures;  // of the variant; all NaN where it overflowed
  bool has_overflowed = false;
};

// `tokens`: at least two, and no more than the contexts hold, which forget what they held before and take 64 tokens and
// outputs together. Unset where it was cancelled. Throws as Context::evaluate does, and where the baseline's logits are
// not numbers.
std::optional<TextDivergence> text_divergence(Context& baseline, Context& variant, std::span<const Token> tokens,
                                              int threads, const std::function<bool()>& is_cancelled);

}  // namespace fakequant
