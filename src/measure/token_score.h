// The scores of one prediction of a variant against the baseline's: the probability that each gives to the actual next
// token, and the divergence of their distributions.
//
// llama-perplexity stores the baseline's log-probabilities in 16 bits, clipped at 16 nats below the largest, which
// changes its figures on models with sharp predictions. Here both logits are compared as they are.
#pragma once

#include "measure/prediction.h"

namespace fakequant {

struct TokenScore {
  double log_p_baseline = 0;  // natural logarithm of the probability of the actual next token
  double log_p_variant = 0;
  double kld = 0;          // KL(baseline || variant), nats: sum p log(p / q)
  double reverse_kld = 0;  // KL(variant || baseline), nats: sum q log(q / p)
  std::int32_t top_baseline = 0;
  std::int32_t top_variant = 0;
  int top5_common = 0;  // tokens that are among the five most likely of both
  int top10_common = 0;

  double delta_p() const;  // the change of the probability of the actual next token
};

// Takes the logits of both; `base` is predict(baseline), and `token` the actual next token. The divergences are NaN if
// the variant's logits are not a distribution.
TokenScore score_token(std::span<const float> baseline, const Prediction& base, std::span<const float> variant,
                       std::int32_t token);

}  // namespace fakequant
