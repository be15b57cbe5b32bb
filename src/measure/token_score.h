// One prediction of the baseline and of a variant, compared: how likely each thought the token that came, and how far
// their whole distributions are apart.
//
// Everything is computed from the logits as they are, in double. (llama-perplexity stores the baseline's
// log-probabilities in 16 bits, cut off 16 below the largest, which moves its figures on models with sharp
// predictions.)
#pragma once

#include <cstdint>
#include <span>

namespace fakequant {

// The normalizer of a softmax: log p(i) = logits[i] - log_sum.
struct Softmax {
  double log_sum = 0;
  std::int32_t top = 0;  // the most likely token; of equals the first
};

// log_sum is not finite where a logit is NaN or +infinity.
Softmax softmax(std::span<const float> logits);

// log p of a token.
inline double log_probability(std::span<const float> logits, const Softmax& softmax, std::int32_t token) {
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - softmax.log_sum;
}

struct TokenScore {
  double log_p_baseline = 0;  // natural logarithms of the probability of the token that came
  double log_p_variant = 0;
  double kld = 0;  // KL divergence of the variant from the baseline, nats: sum p log(p / q)
  std::int32_t top_baseline = 0;
  std::int32_t top_variant = 0;
  int top5_common = 0;  // tokens in both lists of the five most likely
  int top10_common = 0;
};

// `base` is softmax(baseline). `token` is the one that came.
TokenScore score_token(std::span<const float> baseline, const Softmax& base, std::span<const float> variant,
                       std::int32_t token);

}  // namespace fakequant
