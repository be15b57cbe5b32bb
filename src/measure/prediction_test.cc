#include "measure/prediction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

std::vector<float> random_logits(std::size_t count, unsigned seed, float spread = 6) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(count);
  for (auto& logit : logits) logit = normal(random);
  return logits;
}

long double log_sum(const std::vector<float>& logits) {
  const long double largest = *std::max_element(logits.begin(), logits.end());
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit) - largest);
  return largest + std::log(sum);
}

// By the definition, in long double.
long double divergence_of(const std::vector<float>& p, const std::vector<float>& q) {
  const auto sum_p = log_sum(p), sum_q = log_sum(q);
  long double kld = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto log_p = static_cast<long double>(p[i]) - sum_p;
    kld += std::exp(log_p) * (log_p - (static_cast<long double>(q[i]) - sum_q));
  }
  return kld;
}

TEST(Prediction, IsTheDefinitionForAnyNumberOfTokensOnEveryInstructionSet) {
  on_every_target([] {
    for (const std::size_t count : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 100, 1000, 32003}) {
      const auto p = random_logits(count, 1), q = random_logits(count, 2);
      const auto of_p = predict(p), of_q = predict(q);
      EXPECT_NEAR(of_p.log_sum, static_cast<double>(log_sum(p)), 1e-13 * (1 + std::fabs(of_p.log_sum))) << count;
      const auto expected = static_cast<double>(divergence_of(p, q));
      EXPECT_NEAR(divergence(p, of_p, q, of_q), expected, 1e-12 * (1 + expected)) << count;
    }
  });
}

TEST(Prediction, ASmallDivergenceKeepsItsDigits) {
  const auto p = random_logits(5000, 3);
  auto q = p;
  for (std::size_t i = 0; i < q.size(); i += 3) q[i] += 1e-5F;
  const auto expected = static_cast<double>(divergence_of(p, q));
  ASSERT_GT(expected, 0);
  ASSERT_LT(expected, 1e-10);
  on_every_target([&] { EXPECT_NEAR(divergence(p, predict(p), q, predict(q)), expected, 5e-15); });
}

TEST(Prediction, OfEqualsIsExactlyZeroApart) {
  on_every_target([] {
    const auto p = random_logits(1001, 4, 30);
    EXPECT_EQ(divergence(p, predict(p), p, predict(p)), 0);
  });
}

TEST(Prediction, IsNotFiniteForNansAndInfinitiesWhereverTheyAre) {
  on_every_target([] {
    for (const float bad : {NAN, -NAN, INFINITY}) {
      for (std::size_t place = 0; place < 21; ++place) {
        auto logits = random_logits(21, 5);
        logits[place] = bad;
        EXPECT_FALSE(std::isfinite(predict(logits).log_sum)) << bad << " at " << place;
      }
    }
    EXPECT_FALSE(std::isfinite(predict(std::vector<float>(9, -INFINITY)).log_sum));
  });
}

TEST(Prediction, ATokenThatCannotComeCountsNothing) {
  on_every_target([] {
    auto p = random_logits(40, 6);
    auto with_more = p;
    with_more.insert(with_more.end(), 13, -INFINITY);
    EXPECT_NEAR(predict(with_more).log_sum, predict(p).log_sum, 1e-13);
    const auto q = random_logits(53, 7);
    EXPECT_TRUE(std::isfinite(divergence(with_more, predict(with_more), q, predict(q))));
  });
}

TEST(Prediction, ListsTheMostLikelyTokensOfEqualsTheFirst) {
  for (const std::size_t count : {1, 4, 10, 11, 500}) {
    auto logits = random_logits(count, 8, 1);
    for (auto& logit : logits) logit = std::round(logit * 4);  // many equals
    std::vector<std::int32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    order.resize(kTopTokens, -1);
    on_every_target([&] {
      const auto top = predict(logits).top;
      EXPECT_EQ(std::vector<std::int32_t>(top.begin(), top.end()), order) << count;
    });
  }
}

}  // namespace
}  // namespace fakequant
