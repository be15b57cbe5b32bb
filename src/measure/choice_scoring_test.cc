#include "measure/choice_scoring.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(ChoiceScoring, IntervalIsWilsons) {
  // 8 of 10: Wilson (1927), as in Brown, Cai and DasGupta (2001).
  const auto accuracy = accuracy_of(8, 10);
  EXPECT_DOUBLE_EQ(accuracy.value, 0.8);
  EXPECT_NEAR(accuracy.low, 0.49016, 1e-5);
  EXPECT_NEAR(accuracy.high, 0.94331, 1e-5);
  EXPECT_NEAR(accuracy_of(0, 5).low, 0, 1e-15);
  EXPECT_NEAR(accuracy_of(5, 5).high, 1, 1e-15);
}

TEST(ChoiceScoring, McNemarsTestIsExact) {
  EXPECT_DOUBLE_EQ(mcnemar_p_value(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar_p_value(3, 3), 1);
  EXPECT_NEAR(mcnemar_p_value(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(8, 1), 2.0 * (1 + 9) / 512, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_p_value(1, 8), mcnemar_p_value(8, 1));
}

}  // namespace
}  // namespace fakequant
