#include "sweep/prediction_quality.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

TEST(PredictionQuality, ComputesSpearmansRankCorrelation) {
  // By hand: ranks of b are 1 0 2 4 3, squared differences 1 1 0 1 1: 1 - 6 x 4 / (5 x 24).
  const std::vector<double> a = {1, 2, 3, 4, 5}, b = {20, 10, 30, 500, 40};
  EXPECT_DOUBLE_EQ(rank_correlation(a, b), 0.8);
  EXPECT_DOUBLE_EQ(rank_correlation(a, a), 1);
  const std::vector<double> falling = {5, 4, 3, 2, 1};
  EXPECT_DOUBLE_EQ(rank_correlation(a, falling), -1);
}

TEST(PredictionQuality, EqualValuesShareTheirMeanRank) {
  // Ranks 0.5 0.5 2 3 and 0 1 2 3: (0.5 x 5 sums) the correlation is 4.5 / sqrt(4.5 x 5).
  const std::vector<double> a = {1, 1, 2, 3}, b = {1, 2, 3, 4};
  EXPECT_NEAR(rank_correlation(a, b), std::sqrt(0.9), 1e-12);
}

TEST(PredictionQuality, RankCorrelationIsNanIfUndefined) {
  const std::vector<double> two = {1, 2}, same = {3, 3, 3}, other = {1, 2, 3};
  EXPECT_TRUE(std::isnan(rank_correlation(two, two)));
  EXPECT_TRUE(std::isnan(rank_correlation(same, other)));
}

TEST(PredictionQuality, ReportsMedianErrorAndFractionWithin) {
  const auto quality = quality_of({{1.1, 1, 1.2, 1.0}, {2, 1, 3, 4}, {9, 8, 10, 10}, {0, 0, 0, 0}});
  EXPECT_EQ(quality.compared, 4);
  EXPECT_NEAR(quality.median_error, 0.1, 1e-12);  // of 0.1, 0.5 and 0.1: a measured 0 has no relative error
  EXPECT_NEAR(quality.largest_error, 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(quality.within, 0.75);
  EXPECT_DOUBLE_EQ(quality.rank_correlation, 1);
  EXPECT_TRUE(std::isnan(quality_of({}).median_error));
}

}  // namespace
}  // namespace fakequant
