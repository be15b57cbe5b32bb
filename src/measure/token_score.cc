#include "measure/token_score.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {
namespace {

int common(const Prediction& a, const Prediction& b, std::size_t count) {
  const auto end = static_cast<std::ptrdiff_t>(count);
  return static_cast<int>(std::count_if(a.top.begin(), a.top.begin() + end, [&](std::int32_t token) {
    return token >= 0 && std::find(b.top.begin(), b.top.begin() + end, token) != b.top.begin() + end;
  }));
}

}  // namespace

double TokenScore::delta_p() const { return std::exp(log_p_variant) - std::exp(log_p_baseline); }

TokenScore score_token(std::span<const float> baseline, const Prediction& base, std::span<const float> variant,
                       std::int32_t token) {
  const auto other = predict(variant);
  TokenScore score;
  score.log_p_baseline = log_probability(baseline, base, token);
  score.log_p_variant = log_probability(variant, other, token);
  const bool is_distribution = std::isfinite(other.log_sum);
  const double none = std::numeric_limits<double>::quiet_NaN();
  score.kld = is_distribution ? divergence(baseline, base, variant, other) : none;
  score.reverse_kld = is_distribution ? divergence(variant, other, baseline, base) : none;
  score.top_baseline = base.top.front();
  score.top_variant = other.top.front();
  score.top5_common = common(base, other, 5);
  score.top10_common = common(base, other, kTopTokens);
  return score;
}

}  // namespace fakequant
