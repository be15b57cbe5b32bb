#include "measure/token_score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace fakequant {
namespace {

constexpr std::size_t kTop = 10;
using TopTokens = std::array<std::int32_t, kTop>;

// The ten most likely tokens, best first, of equals the first; -1 where the vocabulary is smaller.
TopTokens top_tokens(std::span<const float> logits) {
  TopTokens tokens;
  tokens.fill(-1);
  std::array<float, kTop> values;
  values.fill(-std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > values.back()) && tokens.back() >= 0) continue;
    std::size_t place = kTop - 1;
    while (place > 0 && (tokens[place - 1] < 0 || logits[i] > values[place - 1])) {
      values[place] = values[place - 1];
      tokens[place] = tokens[place - 1];
      --place;
    }
    values[place] = logits[i];
    tokens[place] = static_cast<std::int32_t>(i);
  }
  return tokens;
}

int common(const TopTokens& a, const TopTokens& b, std::size_t count) {
  const auto end_a = a.begin() + static_cast<std::ptrdiff_t>(count),
             end_b = b.begin() + static_cast<std::ptrdiff_t>(count);
  return static_cast<int>(std::count_if(
      a.begin(), end_a, [&](std::int32_t t) { return t >= 0 && std::find(b.begin(), end_b, t) != end_b; }));
}

}  // namespace

Softmax softmax(std::span<const float> logits) {
  const auto top = std::max_element(logits.begin(), logits.end());
  const auto largest = static_cast<double>(*top);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return {largest + std::log(sum), static_cast<std::int32_t>(top - logits.begin())};
}

TokenScore score_token(std::span<const float> baseline, const Softmax& base, std::span<const float> variant,
                       std::int32_t token) {
  const auto other = softmax(variant);
  TokenScore score;
  score.log_p_baseline = log_probability(baseline, base, token);
  score.log_p_variant = log_probability(variant, other, token);
  score.top_baseline = base.top;
  score.top_variant = other.top;
  for (std::size_t i = 0; i < baseline.size(); ++i) {
    const double log_p = static_cast<double>(baseline[i]) - base.log_sum;
    const double p = std::exp(log_p);
    if (p > 0) score.kld += p * (log_p - (static_cast<double>(variant[i]) - other.log_sum));
  }
  const auto top_baseline = top_tokens(baseline), top_variant = top_tokens(variant);
  score.top5_common = common(top_baseline, top_variant, 5);
  score.top10_common = common(top_baseline, top_variant, 10);
  return score;
}

}  // namespace fakequant
