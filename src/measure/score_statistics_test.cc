#include "measure/score_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

TEST(Perplexity, IsTheExponentialOfTheMeanSurprise) {
  const std::vector<double> log_p = {std::log(0.5), std::log(0.125)};
  const auto ppl = perplexity(log_p);
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

TEST(Summarize, GivesARatioOfOneWithoutErrorForEqualScores) {
  std::vector<TokenScore> scores;
  for (int i = 1; i <= 50; ++i) {
    TokenScore score;
    score.log_p_baseline = score.log_p_variant = -0.1 * i;
    score.top5_common = 5;
    score.top10_common = 10;
    scores.push_back(score);
  }
  VariantResult result;
  summarize(scores, result);
  EXPECT_EQ(result.ppl_ratio.value, 1);
  EXPECT_NEAR(result.ppl_ratio.error, 0, 1e-7);
  EXPECT_NEAR(result.correlation, 1, 1e-9);
  EXPECT_EQ(result.kld.value, 0);
  EXPECT_EQ(result.kld_max, 0);
  EXPECT_EQ(result.top1_agreement, 1);
  EXPECT_EQ(result.top5_overlap, 1);
  EXPECT_EQ(result.delta_p_rms, 0);
}

TEST(Summarize, TakesMeansAndExtremes) {
  std::vector<TokenScore> scores(4);
  for (std::size_t i = 0; i < 4; ++i) {
    scores[i].log_p_baseline = std::log(0.5);
    scores[i].log_p_variant = std::log(i % 2 == 0 ? 0.4 : 0.6);
    scores[i].kld = static_cast<double>(i);
    scores[i].top_variant = i == 3 ? 1 : 0;
  }
  VariantResult result;
  summarize(scores, result);
  EXPECT_EQ(result.kld.value, 1.5);
  EXPECT_EQ(result.kld_median, 1.5);
  EXPECT_EQ(result.kld_max, 3);
  EXPECT_EQ(result.top1_agreement, 0.75);
  EXPECT_NEAR(result.delta_p.value, 0, 1e-12);
  EXPECT_NEAR(result.delta_p_rms, 0.1, 1e-12);
  EXPECT_NEAR(result.ppl.value, 1 / std::sqrt(0.24), 1e-12);
}

}  // namespace
}  // namespace fakequant
