#include "measure/drift.h"

#include <gtest/gtest.h>

#include <limits>

namespace fakequant {
namespace {

TEST(Drift, AssignsRoles) {
  EXPECT_EQ(role_of(0, 0, false), DriftRole::exact);
  EXPECT_EQ(role_of(0, 0, true), DriftRole::exact);  // rounding changed no value
  EXPECT_EQ(role_of(0.1, 0, false), DriftRole::entered);
  EXPECT_EQ(role_of(0.1, 0.1, true), DriftRole::entered);
  EXPECT_EQ(role_of(0.2, 0.1, false), DriftRole::grown);
  EXPECT_EQ(role_of(0.19, 0.1, false), DriftRole::carried);
  EXPECT_EQ(role_of(0.051, 0.1, false), DriftRole::carried);
  EXPECT_EQ(role_of(0.05, 0.1, false), DriftRole::died);
  EXPECT_EQ(role_of(0, 0.1, true), DriftRole::died);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(role_of(kInfinite, 0, true), DriftRole::entered);
  EXPECT_EQ(role_of(kInfinite, 0.1, false), DriftRole::grown);
  EXPECT_EQ(role_of(kInfinite, kInfinite, false), DriftRole::carried);
  EXPECT_EQ(role_of(0.1, kInfinite, false), DriftRole::died);
}

}  // namespace
}  // namespace fakequant
