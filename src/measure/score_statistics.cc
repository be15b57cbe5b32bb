#include "measure/score_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {
namespace {

// The square root of a variance, which rounding may have made negative. NaN for NaN: an unknown error is not 0.
double root(double x) { return x > 0 || std::isnan(x) ? std::sqrt(x) : 0; }

// The larger of two values, NaN where one is.
double larger(double a, double b) { return a < b || std::isnan(b) ? b : a; }

Quantiles quantiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double fraction) { return quantile(values, fraction); };
  return {at(0),    at(0.001), at(0.01), at(0.05), at(0.10),  at(0.25), at(0.50),
          at(0.75), at(0.90),  at(0.95), at(0.99), at(0.999), at(1)};
}

}  // namespace

void Moments::add(double x) {
  sum += x;
  sum2 += x * x;
}

void Moments::add(const Moments& other) {
  sum += other.sum;
  sum2 += other.sum2;
}

Estimate Moments::mean(std::int64_t count) const {
  if (count == 0) return {};
  const auto n = static_cast<double>(count);
  const double mean = sum / n;
  return {mean, count > 1 ? root((sum2 / n - mean * mean) / (n - 1)) : 0};
}

void ScoreSums::add(const TokenScore& score) {
  ++count;
  for (const auto& quantity : kScoreQuantities) {
    if (!quantity.is_summed()) continue;
    const double value = quantity.value(score);
    if (quantity.moments != nullptr) (this->*quantity.moments).add(value);
    if (quantity.count != nullptr) this->*quantity.count += static_cast<std::int64_t>(value);
    if (quantity.max != nullptr) this->*quantity.max = larger(this->*quantity.max, value);
  }
}

void ScoreSums::add(const ScoreSums& other) {
  count += other.count;
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.moments != nullptr) (this->*quantity.moments).add(other.*quantity.moments);
    if (quantity.count != nullptr) this->*quantity.count += other.*quantity.count;
    if (quantity.max != nullptr) this->*quantity.max = larger(this->*quantity.max, other.*quantity.max);
  }
}

ScoreSums sum_of(std::span<const TokenScore> scores) {
  ScoreSums sums;
  for (const auto& score : scores) sums.add(score);
  return sums;
}

void BaselineSums::add(const BaselineSums& other) {
  count += other.count;
  nll.add(other.nll);
}

BaselineSums sum_of_baseline(std::span<const double> log_p) {
  BaselineSums sums;
  sums.count = static_cast<std::int64_t>(log_p.size());
  for (const double value : log_p) sums.nll.add(-value);
  return sums;
}

void ScoreStatistics::add(std::span<const TokenScore> scores) {
  sums_.add(sum_of(scores));
  for (std::size_t q = 0; q < kScoreQuantities.size(); ++q) {
    const auto& quantity = kScoreQuantities[q];
    if (quantity.quantiles == nullptr) continue;
    for (const auto& score : scores) values_[q].push_back(quantity.value(score));
  }
}

void ScoreStatistics::add(const ScoreStatistics& other) {
  sums_.add(other.sums_);
  for (std::size_t q = 0; q < values_.size(); ++q) {
    values_[q].insert(values_[q].end(), other.values_[q].begin(), other.values_[q].end());
  }
}

DivergenceFigures figures_of(const ScoreSums& sums) {
  const auto count = sums.count;
  const auto n = static_cast<double>(std::max<std::int64_t>(count, 1));
  const auto nll = sums.nll.mean(count), nll_baseline = sums.nll_baseline.mean(count);
  DivergenceFigures figures;
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.moments != nullptr && quantity.estimate != nullptr) {
      figures.*quantity.estimate = (sums.*quantity.moments).mean(count);
    }
    if (quantity.quantiles == nullptr) continue;
    figures.*quantity.quantiles = quantiles({});
    if (quantity.max != nullptr) (figures.*quantity.quantiles).max = larger(0, sums.*quantity.max);
  }
  figures.ppl = perplexity(sums.nll, count);
  figures.log_ppl_ratio = sums.nll_change.mean(count);
  const double ratio = std::exp(figures.log_ppl_ratio.value);
  figures.ppl_ratio = {ratio, ratio * figures.log_ppl_ratio.error};
  // var(a - b) = var(a) + var(b) - 2 cov(a, b)
  const double variance = nll.error * nll.error, variance_baseline = nll_baseline.error * nll_baseline.error,
               variance_change = figures.log_ppl_ratio.error * figures.log_ppl_ratio.error;
  const double covariance = (variance + variance_baseline - variance_change) / 2;
  figures.correlation = covariance / (nll.error * nll_baseline.error);
  const double ppl = figures.ppl.value, ppl_baseline = std::exp(nll_baseline.value);
  const double difference_variance =
      ppl * ppl * variance + ppl_baseline * ppl_baseline * variance_baseline - 2 * ppl * ppl_baseline * covariance;
  figures.ppl_difference = {ppl - ppl_baseline, variance_change > 0 ? root(difference_variance) : 0};

  const auto mean_square = sums.delta_p2.mean(count);
  const double rms = root(sums.delta_p.sum2 / n);
  figures.delta_p_rms = {rms, rms > 0 ? mean_square.error / (2 * rms) : 0};
  const double same = static_cast<double>(sums.same_top) / n;
  figures.top1_agreement = {same, count > 1 ? root(same * (1 - same) / (n - 1)) : 0};
  figures.top5_overlap = static_cast<double>(sums.top5_common) / (5 * n);
  figures.top10_overlap = static_cast<double>(sums.top10_common) / (10 * n);
  return figures;
}

DivergenceFigures no_figures() {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  DivergenceFigures figures;
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.estimate != nullptr) figures.*quantity.estimate = {kNone, kNone};
    if (quantity.number != nullptr) figures.*quantity.number = kNone;
    if (quantity.quantiles == nullptr) continue;
    figures.*quantity.quantiles = quantiles({});
    (figures.*quantity.quantiles).max = kNone;
  }
  return figures;
}

DivergenceFigures ScoreStatistics::figures() const {
  auto figures = figures_of(sums_);
  for (std::size_t q = 0; q < values_.size(); ++q) {
    const auto& quantity = kScoreQuantities[q];
    if (quantity.quantiles != nullptr) figures.*quantity.quantiles = quantiles(values_[q]);
  }
  return figures;
}

Estimate perplexity(const Moments& nll, std::int64_t count) {
  const auto mean = nll.mean(count);
  const double ppl = std::exp(mean.value);
  return {ppl, ppl * mean.error};
}

double quantile(std::span<const double> sorted, double fraction) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double rest = position - static_cast<double>(below);
  return (1 - rest) * sorted[below] + rest * sorted[above];
}

}  // namespace fakequant
