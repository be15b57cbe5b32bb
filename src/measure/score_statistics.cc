#include "measure/score_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {
namespace {

// Sums of one quantity, for its mean and the standard error of that.
struct Moments {
  double sum = 0, sum2 = 0;
  std::size_t count = 0;

  void add(double x) {
    sum += x;
    sum2 += x * x;
    ++count;
  }
  Estimate mean() const {
    if (count == 0) return {};
    const auto n = static_cast<double>(count);
    const double mean = sum / n, variance = sum2 / n - mean * mean;
    return {mean, count > 1 && variance > 0 ? std::sqrt(variance / (n - 1)) : 0};
  }
};

}  // namespace

Estimate perplexity(std::span<const double> log_p) {
  Moments nll;
  for (const double value : log_p) nll.add(-value);
  const auto mean = nll.mean();
  const double ppl = std::exp(mean.value);
  return {ppl, ppl * mean.error};
}

double quantile(std::span<const double> sorted, double fraction) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double rest = place - static_cast<double>(below);
  return (1 - rest) * sorted[below] + rest * sorted[above];
}

void summarize(std::span<const TokenScore> scores, VariantResult& result) {
  Moments nll, nll_baseline, kld, delta_p;
  double sum_product = 0, top1 = 0, top5 = 0, top10 = 0;
  std::vector<double> klds;
  for (const auto& score : scores) {
    nll.add(-score.log_p_variant);
    nll_baseline.add(-score.log_p_baseline);
    sum_product += score.log_p_variant * score.log_p_baseline;
    kld.add(score.kld);
    delta_p.add(std::exp(score.log_p_variant) - std::exp(score.log_p_baseline));
    top1 += score.top_variant == score.top_baseline ? 1 : 0;
    top5 += score.top5_common / 5.0;
    top10 += score.top10_common / 10.0;
    klds.push_back(score.kld);
  }
  const auto n = static_cast<double>(std::max<std::size_t>(scores.size(), 1));
  const auto log_ppl = nll.mean(), log_ppl_baseline = nll_baseline.mean();
  result.ppl = {std::exp(log_ppl.value), std::exp(log_ppl.value) * log_ppl.error};

  const double covariance =
      scores.size() > 1 ? (sum_product / n - log_ppl.value * log_ppl_baseline.value) / (n - 1) : 0;
  const double ratio = std::exp(log_ppl.value - log_ppl_baseline.value);
  const double ratio_variance =
      log_ppl.error * log_ppl.error + log_ppl_baseline.error * log_ppl_baseline.error - 2 * covariance;
  result.ppl_ratio = {ratio, ratio_variance > 0 ? ratio * std::sqrt(ratio_variance) : 0};
  result.correlation = covariance / (log_ppl.error * log_ppl_baseline.error);

  result.kld = kld.mean();
  std::sort(klds.begin(), klds.end());
  result.kld_median = quantile(klds, 0.5);
  result.kld_p1 = quantile(klds, 0.01);
  result.kld_p5 = quantile(klds, 0.05);
  result.kld_p10 = quantile(klds, 0.10);
  result.kld_p90 = quantile(klds, 0.90);
  result.kld_p95 = quantile(klds, 0.95);
  result.kld_p99 = quantile(klds, 0.99);
  result.kld_p999 = quantile(klds, 0.999);
  result.kld_max = klds.empty() ? 0 : klds.back();
  result.delta_p = delta_p.mean();
  result.delta_p_rms = std::sqrt(delta_p.sum2 / n);
  result.top1_agreement = top1 / n;
  result.top5_overlap = top5 / n;
  result.top10_overlap = top10 / n;
}

}  // namespace fakequant
