// What a model predicts at one place of a text, as its logits say it: a probability for each token of the vocabulary.
//
// Everything is computed from the logits as they are, in double, with the vectors of whatever instruction set the
// machine has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fakequant {

inline constexpr std::size_t kTopTokens = 10;

// The normalizer of a softmax, and its most likely tokens.
struct Prediction {
  double log_sum = 0;                          // log p(i) = logits[i] - log_sum
  std::array<std::int32_t, kTopTokens> top{};  // best first, of equals the first; -1 where the vocabulary is smaller
};

// log_sum is not finite where a logit is NaN or +infinity, or all are -infinity.
Prediction predict(std::span<const float> logits);

// log p of a token, in nats.
inline double log_probability(std::span<const float> logits, const Prediction& prediction, std::int32_t token) {
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - prediction.log_sum;
}

// The KL divergence of q from p, sum p log(p / q), in nats; tokens without probability in p count nothing. Both have
// the same vocabulary.
double divergence(std::span<const float> p_logits, const Prediction& p, std::span<const float> q_logits,
                  const Prediction& q);

}  // namespace fakequant
