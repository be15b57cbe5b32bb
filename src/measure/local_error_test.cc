#include "measure/local_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace fakequant {
namespace {

TEST(LocalError, IsAPartOfTheRow) {
  const std::vector<float> before = {3, 4, 300, 400}, after = {3, 3, 300, 300};
  const auto error = local_error(before, after, 2, {});
  EXPECT_EQ(error.rows, 2);
  EXPECT_DOUBLE_EQ(error.error, 1.0 / 25);  // of each of the two
}

TEST(LocalError, CountsColumnsByTheirWeights) {
  const std::vector<float> before = {1, 1}, after = {1, 3};
  const std::vector<double> weights = {3, 1};
  EXPECT_DOUBLE_EQ(local_error(before, after, 2, weights).error, 4.0 / 4);
}

TEST(LocalError, LeavesRowsOfZerosOutAndTakesWhatIsNotFiniteForLost) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> before = {0, 0, 1, 1, 2, 2}, after = {1, 0, 1, kInfinity, 2, 2};
  const auto error = local_error(before, after, 2, {});
  EXPECT_EQ(error.rows, 2);
  EXPECT_DOUBLE_EQ(error.error, 0.5);
}

TEST(LocalError, IsTheMeanOverAllRows) {
  LocalError all = {2, 0.5, 0};
  all.add({});
  all.add({6, 0.1, -0.1});
  EXPECT_EQ(all.rows, 8);
  EXPECT_DOUBLE_EQ(all.error, 0.2);
  EXPECT_DOUBLE_EQ(all.shift, -0.075);
}

TEST(LocalError, CountsWhatHappensToAllAlikeForMore) {
  const std::vector<float> before = {2, 4, 6}, shorter = {1, 2, 3}, by_chance = {2 + 2, 4 + 2, 6 - 2};
  const auto alike = local_error(before, shorter, 3, {}), chance = local_error(before, by_chance, 3, {});
  EXPECT_DOUBLE_EQ(alike.shift, -0.5);
  EXPECT_DOUBLE_EQ(chance.shift, 0);
  EXPECT_DOUBLE_EQ(chance.energy(), chance.error);
  EXPECT_DOUBLE_EQ(alike.energy(), 0.25 + LocalError::kShiftCounts * 0.25);
}

TEST(ColumnShares, AreThoseOfEachRow) {
  ColumnShares shares;
  shares.add(std::vector<float>{3, 4, 0, 0, 30, 40}, 2);
  EXPECT_EQ(shares.rows, 2);
  EXPECT_NEAR(shares.sums[0], 2 * 9.0 / 25, 1e-12);
  EXPECT_NEAR(shares.sums[1], 2 * 16.0 / 25, 1e-12);
}

}  // namespace
}  // namespace fakequant
