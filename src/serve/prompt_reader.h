// Reads prompts with a model, and says of each token how likely the model thought it.
//
// A prompt goes through the model in blocks of 64 tokens, at fixed places. A block whose tokens, and all before them,
// are those of the prompt before is not computed again. What is computed for a token depends on the tokens before it
// and on the block it is in, and on nothing else: a prompt gives the same bits whatever was read before it. Blocks have
// 64 tokens because llama.cpp computes attention differently for fewer.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "engine/context.h"
#include "measure/prediction.h"

namespace fakequant {

struct TokenLogProbability {
  Token token = 0;
  double log_p = 0;  // nats; the natural logarithm of the softmax of all logits
};

// What a model expected where a token came.
struct Expectation {
  TokenLogProbability came;
  std::array<TokenLogProbability, kTopTokens>
      top{};  // the most likely, best first; the token is -1 where there is none
};

// `logits` are those before the token came, and `prediction` what they say.
Expectation expectation_of(std::span<const float> logits, const Prediction& prediction, Token came);

// Asked now and then: whether to give up.
using IsCancelled = std::function<bool()>;

class PromptReader {
 public:
  static constexpr int kBlock = 64;  // tokens

  // The context must outlive this, have kBlock outputs and take as many tokens together. Nothing else may evaluate with
  // it.
  PromptReader(Context& context, int threads) : context_(context), threads_(threads) {}

  // Reads a prompt, at least one token and at most those that the context holds. `is_scored`: also says how likely each
  // of its tokens was. Returns false where it was cancelled. Throws as Context::evaluate does.
  bool read(std::span<const Token> prompt, bool is_scored, const IsCancelled& is_cancelled);

  // Of a scored prompt: what the model expected at its tokens but the first.
  std::span<const Expectation> expectations() const { return expectations_; }

  // After read(): reads one more token.
  void read_next(Token token);

  // After read() or read_next(): the logits of what follows, and the context with the token's index in it, for
  // sampling.
  std::span<const float> logits() const { return context_.logits(last_); }
  const Context& context() const { return context_; }
  std::size_t last() const { return last_; }

  // Tokens that the last read() did not compute again.
  std::size_t reused() const { return reused_; }

 private:
  std::size_t reusable_blocks(std::span<const Token> prompt, bool is_scored) const;

  Context& context_;
  int threads_;
  std::vector<Token> held_;                // of the last prompt, as far as it was read
  std::vector<bool> is_scored_;            // its blocks
  std::vector<Expectation> expectations_;  // at the tokens after held_'s; only those of scored blocks mean something
  std::size_t last_ = 0;
  std::size_t reused_ = 0;
};

}  // namespace fakequant
