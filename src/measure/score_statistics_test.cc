#include "measure/score_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fakequant {
namespace {

DivergenceFigures figures_of(const std::vector<TokenScore>& scores) {
  ScoreStatistics statistics;
  statistics.add(scores);
  return statistics.figures();
}

std::vector<TokenScore> random_scores(std::size_t count) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0.01, 3);
  std::vector<TokenScore> scores(count);
  for (auto& score : scores) {
    score.log_p_baseline = -uniform(random);
    score.log_p_variant = score.log_p_baseline - 0.1 * uniform(random) + 0.1;
    score.kld = uniform(random);
    score.top5_common = 4;
    score.top10_common = 7;
  }
  return scores;
}

TEST(Perplexity, IsTheExponentialOfTheMeanSurprise) {
  Moments nll;
  nll.add(-std::log(0.5));
  nll.add(-std::log(0.125));
  const auto ppl = perplexity(nll, 2);
  EXPECT_NEAR(ppl.value, 4, 1e-12);
  // Of log 2 and log 8: mean 2 log 2, deviation log 2, standard error log 2 / sqrt(2 - 1).
  EXPECT_NEAR(ppl.error, 4 * std::log(2), 1e-12);
}

TEST(Quantile, IsLinearBetweenValues) {
  const std::vector<double> values = {0, 10, 20, 30};
  EXPECT_EQ(quantile(values, 0), 0);
  EXPECT_EQ(quantile(values, 0.5), 15);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 27);
  EXPECT_EQ(quantile(values, 1), 30);
}

TEST(ScoreStatistics, GivesARatioOfOneWithoutErrorForEqualScores) {
  std::vector<TokenScore> scores;
  for (int i = 1; i <= 50; ++i) {
    TokenScore score;
    score.log_p_baseline = score.log_p_variant = -0.1 * i;
    score.top5_common = 5;
    score.top10_common = 10;
    scores.push_back(score);
  }
  const auto result = figures_of(scores);
  EXPECT_EQ(result.ppl_ratio.value, 1);
  EXPECT_EQ(result.ppl_ratio.error, 0);
  EXPECT_EQ(result.ppl_difference.value, 0);
  EXPECT_EQ(result.ppl_difference.error, 0);
  EXPECT_NEAR(result.correlation, 1, 1e-9);
  EXPECT_EQ(result.kld.value, 0);
  EXPECT_EQ(result.kld_at.max, 0);
  EXPECT_EQ(result.top1_agreement.value, 1);
  EXPECT_EQ(result.top5_overlap, 1);
  EXPECT_EQ(result.delta_p_rms.value, 0);
}

TEST(ScoreStatistics, TakesMeansAndExtremes) {
  std::vector<TokenScore> scores(4);
  for (std::size_t i = 0; i < 4; ++i) {
    scores[i].log_p_baseline = std::log(0.5);
    scores[i].log_p_variant = std::log(i % 2 == 0 ? 0.4 : 0.6);
    scores[i].kld = static_cast<double>(i);
    scores[i].top_variant = i == 3 ? 1 : 0;
  }
  const auto result = figures_of(scores);
  EXPECT_EQ(result.kld.value, 1.5);
  EXPECT_EQ(result.kld_at.median, 1.5);
  EXPECT_EQ(result.kld_at.max, 3);
  EXPECT_EQ(result.top1_agreement.value, 0.75);
  EXPECT_NEAR(result.delta_p.value, 0, 1e-12);
  EXPECT_NEAR(result.delta_p_rms.value, 0.1, 1e-12);
  EXPECT_NEAR(result.ppl.value, 1 / std::sqrt(0.24), 1e-12);
}

// The formulas of llama-perplexity's kl_divergence(), which go by the covariance.
TEST(ScoreStatistics, ErrorsAreThoseOfTheCovariance) {
  const auto scores = random_scores(500);
  const auto figures = figures_of(scores);
  const double n = 500;
  double a = 0, b = 0, aa = 0, bb = 0, ab = 0, p2 = 0, p4 = 0;
  for (const auto& score : scores) {
    const double x = -score.log_p_variant, y = -score.log_p_baseline;
    a += x / n, b += y / n, aa += x * x / n, bb += y * y / n, ab += x * y / n;
    const double d = std::exp(score.log_p_variant) - std::exp(score.log_p_baseline);
    p2 += d * d / n, p4 += d * d * d * d / n;
  }
  const double va = (aa - a * a) / (n - 1), vb = (bb - b * b) / (n - 1), cov = (ab - a * b) / (n - 1);
  EXPECT_NEAR(figures.log_ppl_ratio.value, a - b, 1e-12);
  EXPECT_NEAR(figures.log_ppl_ratio.error, std::sqrt(va + vb - 2 * cov), 1e-12);
  EXPECT_NEAR(figures.ppl_ratio.error, std::exp(a - b) * std::sqrt(va + vb - 2 * cov), 1e-12);
  EXPECT_NEAR(figures.correlation, cov / std::sqrt(va * vb), 1e-12);
  EXPECT_NEAR(figures.ppl_difference.value, std::exp(a) - std::exp(b), 1e-12);
  const double pa = std::exp(a), pb = std::exp(b);
  EXPECT_NEAR(figures.ppl_difference.error, std::sqrt(pa * pa * va + pb * pb * vb - 2 * pa * pb * cov), 1e-10);
  EXPECT_NEAR(figures.delta_p_rms.value, std::sqrt(p2), 1e-12);
  EXPECT_NEAR(figures.delta_p_rms.error, std::sqrt((p4 - p2 * p2) / (n - 1)) / (2 * std::sqrt(p2)), 1e-12);
  EXPECT_EQ(figures.top1_agreement.error, 0);
  EXPECT_DOUBLE_EQ(figures.top5_overlap, 0.8);
  EXPECT_DOUBLE_EQ(figures.top10_overlap, 0.7);
}

TEST(ScoreStatistics, OfChunksAddUpWhateverTheyWereAddedTo) {
  const auto scores = random_scores(300);
  const std::span<const TokenScore> all(scores);
  ScoreStatistics one, first, second;
  for (const std::size_t begin : {0, 100, 200}) one.add(all.subspan(begin, 100));
  first.add(all.subspan(0, 100));
  first.add(all.subspan(100, 100));
  second.add(all.subspan(200, 100));
  first.add(second);
  EXPECT_EQ(first.figures().kld.value, one.figures().kld.value);
  EXPECT_EQ(first.figures().ppl_ratio.error, one.figures().ppl_ratio.error);
  EXPECT_EQ(first.figures().kld_at.p99, one.figures().kld_at.p99);
}

}  // namespace
}  // namespace fakequant
