// The relative error of each token in a node: ||b - a|| / ||a|| over the values of that token.
//
// The error over all tokens can be that of one: the first token of a text has activations that are a thousand times as
// large as those of others in most models, and its error says little about theirs. So it is kept apart, and the others
// are described by their median and their 90 % quantile.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/token_rows.h"

namespace fakequant {

struct TokenErrorFigures {
  double median = 0, p90 = 0;  // over the tokens that are not the first of their chunk; NaN where there are none
  double first = 0;            // of the first tokens of all chunks together; NaN where there are none
  double first_share = 0;      // of the squared error of all tokens, that is theirs: 0 to 1
};

class TokenErrors {
 public:
  // Adds the values of a node for some tokens; `layout` says whose they are, by positions in the chunk. Tokens with
  // values that are not finite are left out.
  void add(std::span<const float> baseline, std::span<const float> variant, const TokenLayout& layout, int threads);

  TokenErrorFigures figures() const;

 private:
  std::vector<double> errors_;                   // of the other tokens
  double others_error2_ = 0;                     // sum over them of ||b - a||^2
  double first_error2_ = 0, first_signal2_ = 0;  // sums over the first tokens
  int first_count_ = 0;
};

}  // namespace fakequant
