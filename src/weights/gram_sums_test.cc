#include "weights/gram_sums.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace fakequant {
namespace {

std::vector<float> noise(std::size_t count) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (auto& x : values) x = normal(random);
  return values;
}

TEST(GramSums, AreThoseOfOneRowAfterTheOther) {
  for (const std::int64_t columns : {1, 7, 8, 29}) {
    const std::int64_t rows = 37;
    const auto values = noise(static_cast<std::size_t>(rows * columns));
    GramSums sums(columns);
    const std::span all(values);
    const auto first = static_cast<std::size_t>(11 * columns);
    sums.add(all.first(first), 1);
    sums.add(all.subspan(first), 3);
    EXPECT_EQ(sums.rows(), rows);
    const auto mean = sums.mean();
    std::size_t at = 0;
    for (std::int64_t i = 0; i < columns; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (std::int64_t r = 0; r < rows; ++r) {
          sum += static_cast<double>(values[static_cast<std::size_t>(r * columns + i)]) *
                 static_cast<double>(values[static_cast<std::size_t>(r * columns + j)]);
        }
        ASSERT_EQ(mean[at++], static_cast<float>(sum / static_cast<double>(rows))) << columns << " " << i << " " << j;
      }
    }
    EXPECT_EQ(at, mean.size());
  }
}

TEST(GramSums, AreZeroWithoutRows) { EXPECT_EQ(GramSums(2).mean(), std::vector<float>(3, 0.0f)); }

}  // namespace
}  // namespace fakequant
