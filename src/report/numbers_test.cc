#include "report/numbers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

TEST(Numbers, AreWrittenForPeople) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-123456), "-123,456");
  EXPECT_EQ(percent_text(0.90625), "90.625 %");
  EXPECT_EQ(percent_text(1), "100 %");
  EXPECT_EQ(percent_text(0.999999999), "99.999 %");
  EXPECT_EQ(percent_text(0.000001), "0.001 %");
  EXPECT_EQ(relative_text(0.00774), "0.77 %");
  EXPECT_EQ(relative_text(1), "100 %");
  EXPECT_EQ(relative_text(0), "0 %");
  EXPECT_EQ(bytes_text(7641472), "7.6 MB");
  EXPECT_EQ(value_text(NAN), "-");
  EXPECT_EQ(value_text(0.0417), "0.0417");
  EXPECT_EQ(plural(1, "tensor"), "1 tensor");
  EXPECT_EQ(plural(13, "tensor"), "13 tensors");
}

TEST(Numbers, ShowAsManyDigitsAsTheErrorAllows) {
  EXPECT_EQ(estimate_text({1.63651234, 0.01114}), "1.6365 ± 0.0111");
  EXPECT_EQ(estimate_text({1.0000034567, 0.0000012}), "1.00000346 ± 0.00000120");
  EXPECT_EQ(estimate_text({0, 0}), "0");
}

}  // namespace
}  // namespace fakequant
