#include "measure/value_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "error.h"
#include "format/on_every_target.h"
#include "format/test_values.h"
#include "measure/magnitude_bins.h"
#include "measure/range_search.h"

namespace fakequant {
namespace {

// Every bit pattern there is, heavy tails, zeros, subnormals, and what is not finite.
std::vector<float> hard_values(std::size_t count, std::uint32_t seed) {
  auto values = normal_floats(count, seed);
  const auto random = random_floats(count, seed + 1);
  const float special[] = {0,       -0.0f,    1e-45f, -1e-40f, INFINITY, -INFINITY, NAN, -NAN, from_bits(0x7F800001),
                           3.4e38f, -3.4e38f, 1,      -1,      16384,    0x1p-26f};
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 5 == 0) values[i] = random[i];
    if (i % 7 == 0) values[i] = special[i / 7 % std::size(special)];
    if (i % 11 == 0) values[i] = std::pow(values[i], 9.0f);
  }
  return values;
}

// What the values say, one after another.
struct Reference {
  std::int64_t finite = 0, zeros = 0, nans = 0, infs = 0;
  double min = INFINITY, max = -INFINITY;
  std::map<int, std::int64_t> octaves;
  std::array<std::int64_t, std::tuple_size_v<ChannelOctaves>> channel_octaves{};
  std::vector<std::int64_t> site_bins = std::vector<std::int64_t>(kSiteBins);
  std::vector<std::uint32_t> channel_bins = std::vector<std::uint32_t>(kChannelBins);

  void add(float x) {
    nans += std::isnan(x);
    infs += std::isinf(x);
    zeros += x == 0;
    if (!std::isfinite(x)) return;
    ++finite;
    const double magnitude = std::fabs(static_cast<double>(x));
    ++site_bins[site_bin_of(x)];
    ++channel_bins[channel_bin_of(x)];
    min = std::min(min, static_cast<double>(x));
    max = std::max(max, static_cast<double>(x));
    // The exponent of 2^e < magnitude <= 2^(e+1).
    const int exponent = x == 0 ? -1000 : static_cast<int>(std::ceil(std::log2(magnitude))) - 1;
    if (x != 0) ++octaves[std::max(exponent, -127)];
    const int channel = std::clamp(exponent, kFirstChannelOctave, kLastChannelOctave) - kFirstChannelOctave;
    ++channel_octaves[static_cast<std::size_t>(channel)];
  }
};

void expect_is(const CalibratedSite& site, const Reference& expected) {
  EXPECT_EQ(site.elements, expected.finite + expected.nans + expected.infs);
  EXPECT_EQ(site.zeros, expected.zeros);
  EXPECT_EQ(site.nans, expected.nans);
  EXPECT_EQ(site.infs, expected.infs);
  EXPECT_EQ(site.min, expected.min);
  EXPECT_EQ(site.max, expected.max);
  EXPECT_EQ(site.absmax, std::max(-expected.min, expected.max));
  EXPECT_EQ(site.low, static_cast<float>(std::min(0.0, expected.min)));
  EXPECT_EQ(site.high, static_cast<float>(std::max(0.0, expected.max)));
  std::map<int, std::int64_t> octaves;
  for (const auto& [exponent, count] : site.octaves) octaves[exponent] = count;
  EXPECT_EQ(octaves, expected.octaves);
  for (const auto& [percent, value] : site.percentiles) {
    EXPECT_EQ(value, site_percentile(expected.site_bins, site.absmax, percent));
  }
}

// The rows in calls of different lengths.
CalibratedSite recorded(const std::vector<float>& values, std::size_t columns, int threads,
                        const RecordedRange& range = {}) {
  ValueRecorder recorder(threads, range);
  const std::size_t rows = values.size() / columns;
  for (std::size_t row = 0, count = 1; row < rows; row += count, count *= 5) {
    count = std::min(count, rows - row);
    recorder.record(std::span(values).subspan(row * columns, count * columns), static_cast<std::int64_t>(columns));
  }
  return recorder.result();
}

TEST(ValueRecorder, RecordsWhatAPlainLoopFinds) {
  on_every_target([] {
    for (const std::size_t columns : {1, 3, 16, 64, 67, 200}) {
      const auto values = hard_values(columns * 199, static_cast<std::uint32_t>(columns));
      Reference whole;
      std::vector<Reference> parts(columns);
      for (std::size_t i = 0; i < values.size(); ++i) {
        whole.add(values[i]);
        parts[i % columns].add(values[i]);
      }
      const auto site = recorded(values, columns, 1);
      EXPECT_EQ(site.rows, 199);
      EXPECT_EQ(site.columns, static_cast<std::int64_t>(columns));
      expect_is(site, whole);
      const auto& channels = site.channels;
      ASSERT_EQ(channels.octaves.size(), columns);
      for (std::size_t c = 0; c < columns; ++c) {
        const auto& part = parts[c];
        EXPECT_EQ(static_cast<double>(channels.min[c]), part.min);
        EXPECT_EQ(static_cast<double>(channels.max[c]), part.max);
        EXPECT_EQ(static_cast<double>(channels.absmax[c]), std::max(-part.min, part.max));
        for (std::size_t o = 0; o < part.channel_octaves.size(); ++o) {
          EXPECT_EQ(static_cast<std::int64_t>(channels.octaves[c][o]), part.channel_octaves[o]) << c << " " << o;
        }
        EXPECT_EQ(channels.p50[c], static_cast<float>(channel_percentile(part.channel_bins, channels.absmax[c], 50)));
        EXPECT_EQ(channels.p99[c], static_cast<float>(channel_percentile(part.channel_bins, channels.absmax[c], 99)));
        EXPECT_LE(channels.p50[c], channels.p99[c]);
        EXPECT_LE(channels.p99[c], channels.p999[c]);
        EXPECT_LE(channels.p999[c], channels.absmax[c]);
      }
    }
  });
}

TEST(ValueRecorder, DoesNotDependOnThreads) {
  for (const std::size_t columns : {64, 1000}) {
    const auto values = normal_floats(columns * 2000, 5);
    const auto one = recorded(values, columns, 1);
    for (const int threads : {2, 5, 16}) EXPECT_EQ(recorded(values, columns, threads), one);
  }
  // Nor without channels.
  const auto values = normal_floats(3 << 19, 6);
  const auto without_channels = [&](int threads) {
    ValueRecorder recorder(threads);
    recorder.record(std::span(values).first(10), 10);
    recorder.record(values, static_cast<std::int64_t>(values.size()));
    return recorder.result();
  };
  EXPECT_EQ(without_channels(7), without_channels(1));
}

TEST(ValueRecorder, KeepsTheSiteWhereColumnsDiffer) {
  const auto values = hard_values(2000, 8);
  ValueRecorder recorder(1);
  Reference expected;
  std::size_t begin = 0;
  for (const std::size_t columns : {5, 7, 5, 130, 1}) {
    const auto part = std::span(values).subspan(begin, columns * 3);
    begin += columns * 3;
    recorder.record(part, static_cast<std::int64_t>(columns));
    for (const float x : part) expected.add(x);
  }
  const auto site = recorder.result();
  EXPECT_EQ(site.rows, 15);
  EXPECT_EQ(site.columns, 0);
  EXPECT_TRUE(site.channels.min.empty());
  expect_is(site, expected);
}

TEST(ValueRecorder, ChoosesTheRangeByItsRule) {
  auto values = normal_floats(100000, 9);
  values[77] = 1000;
  const auto all = recorded(values, 100, 1);
  EXPECT_EQ(all.high, 1000);
  EXPECT_EQ(all.low, *std::min_element(values.begin(), values.end()));
  const auto most = recorded(values, 100, 1, parse_recorded_range("percentile:99"));
  EXPECT_NEAR(most.high, 2.576, 0.05);
  EXPECT_EQ(most.low, -most.high);
  EXPECT_EQ(recorded(values, 100, 1, parse_recorded_range("percentile:100")), all);
  for (auto& x : values) x = std::fabs(x);
  EXPECT_EQ(recorded(values, 100, 1, parse_recorded_range("percentile:99")).low, 0);
}

// Those of the search in bins of equal width, within the extremes.
TEST(ValueRecorder, SearchesTheRangeInAllValues) {
  auto values = normal_floats(100000, 10);
  for (std::size_t i = 0; i < values.size(); i += 1000) values[i] *= 20;
  LinearBins bins;
  bins.add(values);
  const auto entropy = recorded(values, 100, 1, parse_recorded_range("entropy"));
  EXPECT_EQ(entropy.high,
            static_cast<float>(static_cast<double>(least_divergent_bins(bins.counts(), 8)) * bins.width()));
  EXPECT_EQ(entropy.low, -entropy.high);
  EXPECT_LT(entropy.high, entropy.absmax);
  const auto mse = recorded(values, 100, 1, parse_recorded_range("mse:int4"));
  EXPECT_EQ(mse.high,
            static_cast<float>(least_error_magnitude(bins.counts(), bins.width(), parse_format("int4,range=1"))));
  EXPECT_LT(mse.high, mse.absmax);
  for (auto& x : values) x = std::fabs(x);
  EXPECT_EQ(recorded(values, 100, 3, parse_recorded_range("entropy")).low, 0);
}

// PyTorch's MovingAverageMinMaxObserver(averaging_constant=0.25) makes -4.0 and 8.0, then -3.75 and 6.5, and -5.3125
// and 5.125 of these; its observer of all -10 and 8.
TEST(ValueRecorder, ChoosesTheRangeOfEvaluations) {
  const auto range_of = [](const char* range) {
    ValueRecorder recorder(1, parse_recorded_range(range));
    const auto evaluate = [&](const std::vector<std::vector<float>>& calls) {
      for (const auto& values : calls) recorder.record(values, static_cast<std::int64_t>(values.size()));
      recorder.end_evaluation();
    };
    evaluate({{-4, 1}, {8, 2}});
    evaluate({{NAN, INFINITY}});
    evaluate({{2, -3}});
    evaluate({{1, 0}, {-10, 0.5f}});
    const auto site = recorder.result();
    EXPECT_EQ(site.min, -10);
    EXPECT_EQ(site.max, 8);
    return std::pair(site.low, site.high);
  };
  EXPECT_EQ(range_of("absmax"), std::pair(-10.0f, 8.0f));
  EXPECT_EQ(range_of("average:0.25"), std::pair(-5.3125f, 5.125f));
  EXPECT_EQ(range_of("average:1"), std::pair(-10.0f, 1.0f));
  EXPECT_EQ(range_of("history:1"), std::pair(-10.0f, 1.0f));
  EXPECT_EQ(range_of("history:2"), std::pair(-10.0f, 2.0f));
  EXPECT_EQ(range_of("history:3"), std::pair(-10.0f, 8.0f));
  EXPECT_EQ(range_of("history:1024"), std::pair(-10.0f, 8.0f));
}

TEST(ValueRecorder, SaysWhereThereIsNothing) {
  for (const float x : {NAN, INFINITY}) {
    const auto site = recorded(std::vector<float>(30, x), 10, 1);
    EXPECT_EQ(site.nans + site.infs, 30);
    EXPECT_TRUE(std::isnan(site.absmax));
    EXPECT_TRUE(std::isnan(site.percentiles[0].value));
    EXPECT_TRUE(std::isnan(site.channels.p50[3]));
    EXPECT_EQ(site.low, 0);
    EXPECT_EQ(site.high, 0);
  }
  const auto zeros = recorded(std::vector<float>(30, -0.0f), 10, 1, parse_recorded_range("percentile:99"));
  EXPECT_EQ(bits_of(zeros.low), 0u);
  EXPECT_EQ(bits_of(zeros.high), 0u);
  EXPECT_EQ(zeros.absmax, 0);
  EXPECT_EQ(zeros.channels.p99[0], 0);
  EXPECT_TRUE(zeros.octaves.empty());
  EXPECT_EQ(ValueRecorder(1).result().elements, 0);
  EXPECT_THROW(ValueRecorder(1).record(std::vector<float>(7), 2), Error);
  EXPECT_THROW(ValueRecorder(1).record(std::vector<float>(7), 0), Error);
}

}  // namespace
}  // namespace fakequant
