#include "measure/student_t.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

// From scipy.stats.t of SciPy 1.17: cdf(t, degrees) and ppf(probability, degrees).
TEST(StudentT, IsWhatScipySays) {
  EXPECT_NEAR(student_t_cdf(1, 1), 0.75, 1e-12);
  EXPECT_NEAR(student_t_cdf(-2.5, 3), 0.04385332350403278, 1e-12);
  EXPECT_NEAR(student_t_cdf(2.228138851986273, 10), 0.975, 1e-12);
  EXPECT_NEAR(student_t_cdf(0, 7), 0.5, 1e-15);
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.706204736432095, 1e-9);
  EXPECT_NEAR(student_t_quantile(0.975, 2), 4.302652729749462, 1e-10);
  EXPECT_NEAR(student_t_quantile(0.975, 30), 2.0422724563012373, 1e-10);
  EXPECT_NEAR(student_t_quantile(0.95, 5), 2.015048373333023, 1e-10);
}

TEST(StudentT, IsSymmetricAndItsQuantileIsItsInverse) {
  for (const double degrees : {1.0, 2.0, 5.0, 17.0, 300.0}) {
    for (const double t : {0.01, 0.5, 1.0, 2.0, 5.0, 20.0}) {
      EXPECT_NEAR(student_t_cdf(t, degrees) + student_t_cdf(-t, degrees), 1, 1e-14);
      EXPECT_NEAR(student_t_quantile(student_t_cdf(-t, degrees), degrees) / -t, 1, 1e-6);
    }
  }
}

}  // namespace
}  // namespace fakequant
