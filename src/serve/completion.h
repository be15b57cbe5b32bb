// A prompt continued by a model, token by token.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/sampler_options.h"
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

// `ctx_size`: tokens that the reader's context holds. Throws as Context::evaluate does.
CompletionEnd complete(PromptReader& reader, const Continuation& asked, int ctx_size, const IsCancelled& is_cancelled,
                       const PromptSeen& prompt_seen, const TokenSeen& token_seen);

}  // namespace fakequant
