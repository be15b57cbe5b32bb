// The predictions that a variant changed most, picked out while they pass by.
#pragma once

#include <span>
#include <vector>

#include "engine/model.h"
#include "measure/eval_result.h"
#include "measure/token_score.h"

namespace fakequant {

class WorstTokens {
 public:
  // Looks at the scores of a chunk's predictions; the first is that of the token at `first` + 1 of the chunk's. Of
  // equals the earlier stay.
  void add(int text, int chunk, std::span<const Token> tokens, std::size_t first, std::span<const TokenScore> scores);

  // Worst first, in words; none whose divergence is 0.
  std::vector<WorstToken> in_words(const Model& model) const;

 private:
  struct Candidate {
    int text = 0, chunk = 0;
    std::size_t position = 0;  // of the token that came
    std::vector<Token> before;
    Token token = 0;
    TokenScore score;
  };
  std::vector<Candidate> worst_;
};

}  // namespace fakequant
