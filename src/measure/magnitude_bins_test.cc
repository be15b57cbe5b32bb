#include "measure/magnitude_bins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "format/test_values.h"

namespace fakequant {
namespace {

TEST(MagnitudeBins, HoldWhatLiesBetweenTheirEdges) {
  auto values = random_floats(100000, 1);
  for (int exponent = -149; exponent < 128; ++exponent) {
    const auto power = std::ldexp(1.0f, exponent);
    values.insert(values.end(), {power, std::nextafterf(power, 0), std::nextafterf(power, INFINITY), -power});
  }
  for (const float x : values) {
    const auto site = site_bin_of(x), channel = channel_bin_of(x);
    ASSERT_LT(site, kSiteBins);
    ASSERT_LT(channel, kChannelBins);
    if (!std::isfinite(x)) {
      EXPECT_EQ(site >= kFirstNanBin, std::isnan(x)) << bits_of(x);
      EXPECT_EQ(site == kInfinityBin, std::isinf(x));
      EXPECT_EQ(channel, kFiniteQuarters);
      continue;
    }
    const double magnitude = std::fabs(static_cast<double>(x));
    ASSERT_LT(site, kFiniteBins);
    EXPECT_EQ(site == 0, x == 0);
    EXPECT_LE(magnitude, upper_edge_of_site_bin(site)) << x;
    EXPECT_TRUE(site == 0 || magnitude > upper_edge_of_site_bin(site - 1)) << x;
    EXPECT_LE(magnitude, upper_edge_of_channel_bin(channel)) << x;
    EXPECT_TRUE(channel == 0 || magnitude > upper_edge_of_channel_bin(channel - 1)) << x;
  }
}

TEST(MagnitudeBins, AreAsNarrowAsTheySay) {
  for (std::size_t bin = 0x81; bin + 1 < kFiniteBins; ++bin) {
    const double low = upper_edge_of_site_bin(bin - 1), high = upper_edge_of_site_bin(bin);
    ASSERT_LE(high / low, 1 + 0x1p-7);
  }
  EXPECT_EQ(upper_edge_of_channel_bin(0), 0x1p-26);
  EXPECT_EQ(upper_edge_of_channel_bin(kFiniteQuarters - 2), 0x1p14);
  for (std::size_t bin = 1; bin + 1 < kFiniteQuarters; ++bin) {
    ASSERT_LE(upper_edge_of_channel_bin(bin) / upper_edge_of_channel_bin(bin - 1), 1.25);
  }
}

// The sites' bins hold both ranks that a percentile lies between: it cannot be farther off than they are wide.
TEST(MagnitudeBins, GivePercentilesRightToABin) {
  auto values = normal_floats(20001, 2);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = values[i] * values[i] * values[i] * 100;
  for (std::size_t i = 0; i < values.size(); i += 10) values[i] = 0;
  std::vector<std::int64_t> site(kSiteBins);
  std::vector<std::uint32_t> channel(kChannelBins);
  std::vector<float> magnitudes;
  for (const float x : values) {
    ++site[site_bin_of(x)];
    ++channel[channel_bin_of(x)];
    magnitudes.push_back(std::fabs(x));
  }
  std::sort(magnitudes.begin(), magnitudes.end());
  const double absmax = magnitudes.back();
  double before = 0;
  for (const double percent : {0.001, 5.0, 9.99, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0}) {
    const double rank = percent / 100 * 20000;
    const auto below = static_cast<std::size_t>(rank), above = static_cast<std::size_t>(std::ceil(rank));
    const auto lower_edge = [](std::size_t bin, const auto& upper_edge) { return bin == 0 ? 0 : upper_edge(bin - 1); };
    const double value = site_percentile(site, absmax, percent);
    EXPECT_GE(value, lower_edge(site_bin_of(magnitudes[below]), upper_edge_of_site_bin)) << percent;
    EXPECT_LE(value, std::min(absmax, upper_edge_of_site_bin(site_bin_of(magnitudes[above])))) << percent;
    EXPECT_GE(value, before);
    before = value;
    const double coarse = channel_percentile(channel, absmax, percent);
    EXPECT_GE(coarse, lower_edge(channel_bin_of(magnitudes[below]), upper_edge_of_channel_bin)) << percent;
    EXPECT_LE(coarse, std::min(absmax, upper_edge_of_channel_bin(channel_bin_of(magnitudes[above])))) << percent;
  }
  EXPECT_EQ(site_percentile(site, absmax, 100), absmax);
  EXPECT_EQ(site_percentile(site, absmax, 5), 0);
  EXPECT_TRUE(std::isnan(site_percentile(std::vector<std::int64_t>(kSiteBins), NAN, 50)));
}

}  // namespace
}  // namespace fakequant
