#include "report/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::HasSubstr;

TEST(BenchReport, SaysInOneSentenceWhatAnIntervalSays) {
  const auto said = [](double low, double high) { return verdict({100, (low + high) / 2, low, high}); };
  EXPECT_EQ(said(1.005, 1.012), "costs 0.5 % to 1.2 %");
  EXPECT_EQ(said(0.99, 1.0072), "not told apart from zero; a cost above 0.8 % is ruled out");
  EXPECT_EQ(said(0.95, 0.98), "is faster by 2.0 % to 5.0 %");
  EXPECT_EQ(said(1, 1), "not told apart from zero; a cost above 0.0 % is ruled out");
  EXPECT_EQ(said(21, 23), "costs 2000.0 % to 2200.0 %");
  EXPECT_THAT(said(0.1, 30), HasSubstr("the machine is busy"));
}

// A cost that is told apart from zero is never shown as zero, nor an interval as a point.
TEST(BenchReport, ShowsSmallCostsWithDigitsEnough) {
  const auto said = [](double low, double high) { return verdict({100, (low + high) / 2, low, high}); };
  EXPECT_EQ(said(1.0002, 1.005), "costs 0.02 % to 0.50 %");
  EXPECT_EQ(said(1.00521, 1.00543), "costs 0.52 % to 0.54 %");
}

TEST(BenchReport, SaysWhoLoadedAModelOfItsOwn) {
  BenchResult result;
  result.load_ms = 12;
  result.rss_added = 5'000'000;
  BenchVariant shares, loads;
  shares.name = "shares";
  loads.name = "loads";
  loads.load_ms = 34;
  result.variants = {shares, loads};
  const auto json = to_json(result, {});
  EXPECT_EQ(json["baseline"]["load_ms"], 12);
  EXPECT_EQ(json["baseline"]["rss_added"], 5'000'000);
  EXPECT_TRUE(json["variants"][0]["load_ms"].is_null());
  EXPECT_EQ(json["variants"][1]["load_ms"], 34);
  EXPECT_THAT(memory_table(result).to_text(), HasSubstr("the baseline's"));
}

}  // namespace
}  // namespace fakequant
