#include "measure/range_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "format/test_values.h"
#include "measure/linear_bins.h"

namespace fakequant {
namespace {

using Counts = std::vector<std::int64_t>;

// As HISTOGRAMS of tests/golden/range_search_modelopt.py.
std::map<std::string, Counts> histograms() {
  std::map<std::string, Counts> all;
  for (std::int64_t i = 0; i < 2500; ++i) all["heavy"].push_back(1000000ll * 40000 / (40000 + i * i));
  for (std::int64_t i = 0; i < 1900; ++i) all["steep"].push_back(1000000000ll >> i / 64);
  for (std::int64_t i = 0; i < 3000; ++i) {
    all["outliers"].push_back(i < 400 ? 1000000ll * 10000 / (10000 + i * i) : (i % 97 == 0 || i == 2999 ? 1 : 0));
  }
  all["flat"].assign(2048, 1000);
  for (std::int64_t i = 0; i < 150; ++i) all["short"].push_back(200 - i);
  return all;
}

// The file has what ModelOpt's own code finds in the same histograms.
TEST(RangeSearch, FindsWhatModelOptFinds) {
  const auto all = histograms();
  std::ifstream file(std::string(std::getenv("SOURCE")) + "/tests/golden/range_search_modelopt.txt");
  int compared = 0;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string name, search, rounding;
    double expected = 0;
    words >> name >> search >> rounding >> expected;
    const auto& counts = all.at(name);
    if (search == "entropy") {
      EXPECT_EQ(static_cast<double>(least_divergent_bins(counts, std::stoi(rounding))), expected) << line;
    } else {
      // ModelOpt computes with products, and adds up in float32: of equals another may win.
      EXPECT_NEAR(least_error_magnitude(counts, 1, parse_format(rounding + ",range=1")), expected, 2) << line;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 25);
}

TEST(RangeSearch, TakesAllOfFewBins) {
  EXPECT_EQ(least_divergent_bins({}, 8), 0u);
  EXPECT_EQ(least_divergent_bins(Counts(kFewestBins, 3), 8), kFewestBins);
  EXPECT_EQ(least_error_magnitude(Counts{5, 1}, 0.5, parse_format("int8,range=1")), 1);
}

// Rare values far beyond the others are clipped; where all magnitudes are alike none is.
TEST(RangeSearch, ClipsWhatIsRare) {
  auto values = normal_floats(200000, 3);
  for (std::size_t i = 0; i < values.size(); i += 20000) values[i] = 40;
  LinearBins bins;
  bins.add(values);
  const double kept = static_cast<double>(least_divergent_bins(bins.counts(), 8)) * bins.width();
  EXPECT_GT(kept, 2);
  EXPECT_LT(kept, 10);
  EXPECT_LT(least_error_magnitude(bins.counts(), bins.width(), parse_format("int4,range=1")), 10);
  // FP8 has the range for both.
  EXPECT_GT(least_error_magnitude(bins.counts(), bins.width(), parse_format("e4m3,range=1")), 30);
  EXPECT_GT(least_error_magnitude(Counts(2048, 10), 1, parse_format("int8,range=1")), 2000);
}

}  // namespace
}  // namespace fakequant
