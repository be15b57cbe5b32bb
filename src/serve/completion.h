// A prompt continued by a model, token by token.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "serve/prompt_reader.h"

namespace fakequant {

struct Continuation {
  std::vector<Token> prompt;
  bool scores_prompt = false;
  int max_tokens = 0;
  SamplerOptions sampler;
};

enum class CompletionEnd {
  stop,       // the model ended the text, or the caller had enough
  length,     // so many tokens were asked for, or the context holds no more
  overflow,   // a logit is NaN or infinite: nothing can be picked
  cancelled,  // by the caller
};

// Told of the prompt when it has been read: what the model expected at its tokens but the first; nothing where that was
// not asked for.
using PromptSeen = std::function<void(std::span<const Expectation>)>;

// Told of each token that was picked, also of one that ends the text. Returns whether more are wanted.
using TokenSeen = std::function<bool(const Expectation&)>;

// A continuation that is written step by step, so that others can be written beside it.
class Generation {
 public:
  // `ctx_size`: tokens that the reader's context holds. The reader must outlive this, and read nothing else meanwhile.
  Generation(PromptReader& reader, const Continuation& asked, int ctx_size);

  // Reads the prompt. Returns false where it was cancelled. Throws as Context::evaluate does.
  bool read_prompt(const IsCancelled& is_cancelled);

  // After read_prompt(): picks the next token and tells of it, while the reader has the logits that it was picked from.
  // Returns how the continuation ended, where it did. Throws as Context::evaluate does.
  std::optional<CompletionEnd> step(const TokenSeen& token_seen);

 private:
  PromptReader& reader_;
  const Continuation& asked_;
  int ctx_size_;
  std::optional<Sampler> sampler_;
  std::optional<Token> unread_;  // picked, and not read yet
  int written_ = 0;
};

// Writes one continuation. Throws as Context::evaluate does.
CompletionEnd complete(PromptReader& reader, const Continuation& asked, int ctx_size, const IsCancelled& is_cancelled,
                       const PromptSeen& prompt_seen, const TokenSeen& token_seen);

}  // namespace fakequant
