// Collects the predictions with the largest KL divergence while a text is evaluated.
#pragma once

#include <span>
#include <vector>

#include "engine/model.h"
#include "measure/eval_result.h"
#include "measure/token_score.h"

namespace fakequant {

class WorstTokens {
 public:
  // Adds the scores of a chunk's predictions; the first score is for the token at index `first` + 1 of the chunk. Among
  // equal scores the earliest is kept.
  void add(int text, int chunk, std::span<const Token> tokens, std::size_t first, std::span<const TokenScore> scores);

  // The largest divergence first, with tokens as text. Predictions with a divergence of 0 are left out.
  std::vector<WorstToken> in_words(const Model& model) const;

 private:
  struct Candidate {
    int text = 0, chunk = 0;
    std::size_t position = 0;  // of the actual token
    std::vector<Token> before;
    Token token = 0;
    TokenScore score;
  };
  std::vector<Candidate> worst_;
};

}  // namespace fakequant
