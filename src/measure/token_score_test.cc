#include "measure/token_score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fakequant {
namespace {

TokenScore score(const std::vector<float>& baseline, const std::vector<float>& variant, int token) {
  return score_token(baseline, predict(baseline), variant, token);
}

TEST(TokenScore, OfAModelAgainstItselfIsExactlyZero) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 8);
  std::vector<float> logits(1000);
  for (auto& logit : logits) logit = normal(random);
  const auto result = score(logits, logits, 3);
  EXPECT_EQ(result.kld, 0);
  EXPECT_EQ(result.reverse_kld, 0);
  EXPECT_EQ(result.log_p_baseline, result.log_p_variant);
  EXPECT_EQ(result.top5_common, 5);
  EXPECT_EQ(result.top10_common, 10);
}

TEST(TokenScore, IsTheDefinitionOfDivergence) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4), from logits with any offset.
  const float half = 7.0f, quarter = half - std::log(2.0f);
  const auto result = score({half, quarter, quarter}, {quarter, half, quarter}, 1);
  EXPECT_NEAR(result.kld, 0.25 * std::log(2), 1e-7);
  EXPECT_NEAR(result.log_p_baseline, std::log(0.25), 1e-7);
  EXPECT_NEAR(result.log_p_variant, std::log(0.5), 1e-7);
  EXPECT_EQ(result.top_baseline, 0);
  EXPECT_EQ(result.top_variant, 1);
  EXPECT_EQ(result.top5_common, 3);  // of a vocabulary of three
}

TEST(TokenScore, HasTheDivergenceInBothDirections) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2) differ, but KL(p || q) is KL(q || p). With q = (1/8, 1/8, 3/4) it is not.
  const std::vector<float> p = {std::log(0.5f), std::log(0.25f), std::log(0.25f)};
  const std::vector<float> q = {std::log(0.125f), std::log(0.125f), std::log(0.75f)};
  const auto result = score(p, q, 0);
  EXPECT_NEAR(result.kld, 0.5 * std::log(4) + 0.25 * std::log(2) + 0.25 * std::log(1.0 / 3), 1e-7);
  EXPECT_NEAR(result.reverse_kld, 0.125 * std::log(0.25) + 0.125 * std::log(0.5) + 0.75 * std::log(3), 1e-7);
  EXPECT_EQ(score(q, p, 0).kld, result.reverse_kld);
  EXPECT_EQ(score(q, p, 0).reverse_kld, result.kld);
}

TEST(TokenScore, IsInfinitelyFarWhereTheBaselineRulesOutAToken) {
  const auto result = score({0.0f, -INFINITY}, {0.0f, -1.0f}, 0);
  EXPECT_TRUE(std::isfinite(result.kld));
  EXPECT_EQ(result.reverse_kld, INFINITY);
}

TEST(TokenScore, DoesNotOverflowNorLoseSmallProbabilities) {
  const auto result = score({1000.0f, 900.0f}, {1000.0f, 800.0f}, 1);
  EXPECT_NEAR(result.log_p_baseline, -100, 1e-9);
  EXPECT_NEAR(result.log_p_variant, -200, 1e-9);
  EXPECT_GT(result.kld, 0);
  EXPECT_LT(result.kld, 1e-40);
}

TEST(TokenScore, TreatsAnImpossibleTokenAsSuch) {
  const auto result = score({0.0f, -INFINITY}, {0.0f, -INFINITY}, 0);
  EXPECT_EQ(result.kld, 0);
}

TEST(TokenScore, CountsTheTokensThatBothListAmongTheMostLikely) {
  std::vector<float> baseline(20), variant(20);
  for (int i = 0; i < 20; ++i) {
    baseline[static_cast<std::size_t>(i)] = static_cast<float>(-i);
    variant[static_cast<std::size_t>(i)] = static_cast<float>(-std::abs(i - 3));  // 3 2 4 1 5 0 6 7 8 9
  }
  const auto result = score(baseline, variant, 0);
  EXPECT_EQ(result.top5_common, 4);  // all of 0 1 2 3 4 but 0
  EXPECT_EQ(result.top10_common, 10);
}

}  // namespace
}  // namespace fakequant
