#include "serve/completion.h"

#include <cmath>

#include "engine/sampler.h"

namespace fakequant {

CompletionEnd complete(PromptReader& reader, const Continuation& asked, int ctx_size, const IsCancelled& is_cancelled,
                       const PromptSeen& prompt_seen, const TokenSeen& token_seen) {
  if (!reader.read(asked.prompt, asked.scores_prompt, is_cancelled)) return CompletionEnd::cancelled;
  prompt_seen(asked.scores_prompt ? reader.expectations() : std::span<const Expectation>());
  if (asked.max_tokens == 0) return CompletionEnd::length;
  const auto& model = reader.context().model();
  Sampler sampler(asked.sampler, model, asked.prompt);
  for (int written = 1;; ++written) {
    if (is_cancelled()) return CompletionEnd::cancelled;
    const auto logits = reader.logits();
    const auto prediction = predict(logits);
    if (!std::isfinite(prediction.log_sum)) return CompletionEnd::overflow;
    const auto token = sampler.pick(reader.context(), reader.last());
    const bool is_enough = !token_seen(expectation_of(logits, prediction, token));
    if (is_enough || model.ends_generation(token)) return CompletionEnd::stop;
    if (written == asked.max_tokens || reader.context().position() >= ctx_size) return CompletionEnd::length;
    reader.read_next(token);
  }
}

}  // namespace fakequant
