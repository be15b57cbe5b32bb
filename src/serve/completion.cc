#include "serve/completion.h"

#include <cmath>

namespace fakequant {

Generation::Generation(PromptReader& reader, const Continuation& asked, int ctx_size)
    : reader_(reader), asked_(asked), ctx_size_(ctx_size) {}

bool Generation::read_prompt(const IsCancelled& is_cancelled) {
  if (!reader_.read(asked_.prompt, asked_.scores_prompt, is_cancelled)) return false;
  sampler_.emplace(asked_.sampler, reader_.context().model(), asked_.prompt);
  return true;
}

std::optional<CompletionEnd> Generation::step(const TokenSeen& token_seen) {
  if (written_ == asked_.max_tokens) return CompletionEnd::length;
  if (unread_) {
    if (reader_.context().position() >= ctx_size_) return CompletionEnd::length;
    reader_.read_next(*unread_);
  }
  const auto logits = reader_.logits();
  const auto prediction = predict(logits);
  if (!std::isfinite(prediction.log_sum)) return CompletionEnd::overflow;
  const auto token = sampler_->pick(reader_.context(), reader_.last());
  const bool is_enough = !token_seen(expectation_of(logits, prediction, token));
  if (is_enough || reader_.context().model().ends_generation(token)) return CompletionEnd::stop;
  unread_ = token;
  ++written_;
  return std::nullopt;
}

CompletionEnd complete(PromptReader& reader, const Continuation& asked, int ctx_size, const IsCancelled& is_cancelled,
                       const PromptSeen& prompt_seen, const TokenSeen& token_seen) {
  Generation generation(reader, asked, ctx_size);
  if (!generation.read_prompt(is_cancelled)) return CompletionEnd::cancelled;
  prompt_seen(asked.scores_prompt ? reader.expectations() : std::span<const Expectation>());
  while (!is_cancelled()) {
    if (const auto end = generation.step(token_seen)) return *end;
  }
  return CompletionEnd::cancelled;
}

}  // namespace fakequant
