#include "sweep/weight_errors.h"

#include <gtest/gtest.h>

#include <limits>

namespace fakequant {
namespace {

TEST(WeightErrors, WeightColumnsByTheEnergyOfTheInput) {
  const ColumnErrors errors = {{1, 0, 4}, {-2, 0, 8}};
  const std::vector<double> energies = {10, 10, 20}, shares = {0.5, 0.5, 0};
  EXPECT_DOUBLE_EQ(product_error(errors, energies, shares).error, 0.5 / 10);
  EXPECT_DOUBLE_EQ(product_error(errors, energies, shares).shift, -1.0 / 10);
  EXPECT_DOUBLE_EQ(product_error(errors, energies, {}).error, 5.0 / 40);
  EXPECT_DOUBLE_EQ(product_error(errors, energies, {}).shift, 6.0 / 40);
}

TEST(WeightErrors, AreEmptyForZeroWeightsAndOneForInfiniteErrors) {
  const std::vector<double> none = {0, 0}, some = {1, 2};
  EXPECT_DOUBLE_EQ(product_error({some, some}, none, {}).error, 0);
  EXPECT_DOUBLE_EQ(product_error({{1, std::numeric_limits<double>::infinity()}, some}, some, {}).error, 1);
}

}  // namespace
}  // namespace fakequant
