#include "sweep/weight_errors.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

namespace fakequant {
namespace {

TEST(WeightErrors, WeightColumnsByTheEnergyOfTheInput) {
  const ColumnErrors errors = {{1, 0, 4}, {-2, 0, 8}, {10, 10, 20}};
  const std::vector<double> shares = {0.5, 0.5, 0};
  EXPECT_DOUBLE_EQ(product_error(errors, shares).error, 0.5 / 10);
  EXPECT_DOUBLE_EQ(product_error(errors, shares).shift, -1.0 / 10);
  EXPECT_DOUBLE_EQ(product_error(errors, {}).error, 5.0 / 40);
  EXPECT_DOUBLE_EQ(product_error(errors, {}).shift, 6.0 / 40);
}

TEST(WeightErrors, AreEmptyForZeroWeightsAndOneForInfiniteErrors) {
  const std::vector<double> none = {0, 0}, some = {1, 2};
  EXPECT_DOUBLE_EQ(product_error({some, some, none}, {}).error, 0);
  EXPECT_DOUBLE_EQ(product_error({{1, std::numeric_limits<double>::infinity()}, some, some}, {}).error, 1);
}

// Every row that there is, and none twice; of many, rows of the whole tensor and of each matrix.
TEST(WeightErrors, AreOfRowsAllOverTheTensor) {
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{
           {32}, {32, 1}, {64, 250}, {64, 256}, {32, 257}, {32, 100000}, {32, 40, 60}, {32, 7, 5}}) {
    TensorInfo info;
    info.shape = shape;
    info.elements = 1;
    for (const auto n : shape) info.elements *= n;
    const auto rows = info.elements / shape[0], of_matrix = shape.size() > 1 ? shape[1] : 1;
    std::int64_t end = 0, count = 0;
    std::set<std::int64_t> matrices;
    for (const auto& piece : sampled_rows(3, info)) {
      EXPECT_EQ(piece.tensor, 3);
      EXPECT_EQ(piece.first_element % shape[0], 0);
      EXPECT_EQ(piece.elements % shape[0], 0);
      EXPECT_GT(piece.elements, 0);
      EXPECT_GE(piece.first_element, end);
      end = piece.first_element + piece.elements;
      count += piece.elements / shape[0];
      for (auto row = piece.first_element / shape[0]; row < end / shape[0]; ++row) matrices.insert(row / of_matrix);
    }
    EXPECT_LE(end, info.elements);
    EXPECT_LE(count, std::max(kSampledRows, 8 * rows / of_matrix));
    if (rows <= kSampledRows) {
      EXPECT_EQ(count, rows);
    }
    if (of_matrix >= 8) {
      EXPECT_EQ(std::ssize(matrices), rows / of_matrix);
    }
    EXPECT_GE(end, info.elements - info.elements / 8 - shape[0] * 8);
  }
}

}  // namespace
}  // namespace fakequant
