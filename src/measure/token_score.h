// One prediction of the baseline and of a variant, compared: how likely each thought the token that came, and how far
// their whole distributions are apart.
//
// (llama-perplexity stores the baseline's log-probabilities in 16 bits, cut off 16 below the largest, which moves its
// figures on models with sharp predictions. Nothing is stored here.)
#pragma once

#include "measure/prediction.h"

namespace fakequant {

struct TokenScore {
  double log_p_baseline = 0;  // natural logarithms of the probability of the token that came
  double log_p_variant = 0;
  double kld = 0;          // KL(baseline || variant), nats: sum p log(p / q)
  double reverse_kld = 0;  // KL(variant || baseline), nats: sum q log(q / p)
  std::int32_t top_baseline = 0;
  std::int32_t top_variant = 0;
  int top5_common = 0;  // tokens in both lists of the five most likely
  int top10_common = 0;

  double delta_p() const;  // the change of the probability of the token that came
};

// `base` is predict(baseline). `token` is the one that came. The divergence is not finite where the variant's logits
// are no distribution.
TokenScore score_token(std::span<const float> baseline, const Prediction& base, std::span<const float> variant,
                       std::int32_t token);

}  // namespace fakequant
