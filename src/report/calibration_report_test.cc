#include "report/calibration_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "format/test_values.h"
#include "measure/value_recorder.h"
#include "recipe/static_ranges.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

CalibratedSite site_of(const std::string& name, int layer, const std::vector<float>& values, std::int64_t columns,
                       const char* range = "absmax") {
  ValueRecorder recorder(1, parse_recorded_range(range));
  recorder.record(values, columns);
  auto site = recorder.result();
  site.site = name;
  site.layer = layer;
  return site;
}

CalibrationResult example() {
  auto values = normal_floats(6400, 3);
  for (std::size_t i = 5; i < values.size(); i += 64) values[i] *= 30;
  CalibrationResult result;
  result.model = "m.gguf";
  result.text = "t.txt";
  result.ctx_size = 512;
  result.chunks = 2;
  result.tokens = 100;
  result.range = "absmax";
  result.sites.push_back(site_of("ffn_up-0", 0, values, 64));
  result.sites.push_back(site_of("ffn_up-1", 1, values, 64, "percentile:99"));
  result.sites.push_back(site_of("zeros", -1, std::vector<float>(8), 4));
  result.sites.push_back(site_of("nothing", -1, {NAN, INFINITY, -INFINITY}, 3));
  ValueRecorder recorder(1);  // without channels
  recorder.record(std::span(values).first(300), 3);
  recorder.record(std::span(values).last(200), 2);
  result.sites.push_back(recorder.result());
  result.sites.back().site = "kq-0";
  return result;
}

// What calibrate writes is what range=static: reads, to the bit.
TEST(CalibrationReport, IsReadBackAsTheSameRanges) {
  auto result = example();
  const auto hard = random_floats(2000, 4);
  for (std::size_t i = 0; i + 1 < hard.size(); i += 2) {
    if (!std::isfinite(hard[i]) || !std::isfinite(hard[i + 1])) continue;
    CalibratedSite site;
    site.site = "random-" + std::to_string(i);
    site.low = -std::fabs(hard[i]);
    site.high = std::fabs(hard[i + 1]);
    result.sites.push_back(site);
  }
  const auto path = testing::TempDir() + "calibration-" + std::to_string(getpid()) + ".json";
  for (const auto& text : {ranges_text(result, {}, ChannelDetail::all), to_text(to_json(result, {}))}) {
    std::ofstream(path, std::ios::binary) << text;
    const StaticRanges ranges(path);
    for (const auto& site : result.sites) {
      EXPECT_TRUE(same(ranges.at(site.site).low + 0.0f, site.low + 0.0f)) << site.low;
      EXPECT_TRUE(same(ranges.at(site.site).high, site.high)) << site.high;
    }
  }
  std::filesystem::remove(path);
}

TEST(CalibrationReport, WritesTheSameInBothWays) {
  for (const auto& result : {example(), CalibrationResult()}) {
    const Provenance provenance = {"fakequant calibrate m.gguf", "1.0", {"CPU"}};
    EXPECT_EQ(Json::parse(ranges_text(result, provenance, ChannelDetail::all)),
              Json::parse(to_text(to_json(result, provenance))));
  }
}

TEST(CalibrationReport, LeavesOutWhatIsLong) {
  const auto result = example();
  auto whole = Json::parse(ranges_text(result, {}, ChannelDetail::all));
  for (auto& site : whole["sites"]) {
    if (!site["channels"].is_null()) site["channels"] = {{"absmax", site["channels"]["absmax"]}};
  }
  EXPECT_EQ(Json::parse(ranges_text(result, {}, ChannelDetail::absmax)), whole);
}

TEST(CalibrationReport, HoldsWhatWasRecorded) {
  const auto result = example();
  const auto json = Json::parse(ranges_text(result, {}, ChannelDetail::all));
  EXPECT_EQ(json["schema"], kRangesSchema);
  EXPECT_EQ(json["range"], "absmax");
  const auto& site = json["sites"][0];
  const auto& recorded = result.sites[0];
  EXPECT_EQ(site["site"], "ffn_up-0");
  EXPECT_EQ(site["layer"], 0);
  EXPECT_EQ(site["rows"], 100);
  EXPECT_EQ(site["columns"], 64);
  EXPECT_EQ(site["elements"], 6400);
  EXPECT_EQ(site["absmax"].get<float>(), recorded.absmax);
  EXPECT_EQ(site["percentiles"]["99.9"].get<float>(), static_cast<float>(recorded.percentiles[3].value));
  std::int64_t counted = 0;
  for (const auto& octave : site["histogram"]["octaves"]) counted += octave[1].get<std::int64_t>();
  EXPECT_EQ(counted + recorded.zeros, 6400);
  for (const auto* key : {"absmax", "min", "max", "p50", "p99", "p99.9", "octaves"}) {
    EXPECT_EQ(site["channels"][key].size(), 64u) << key;
  }
  for (const auto& octaves : site["channels"]["octaves"]) {
    std::int64_t rows = 0;
    for (const auto& count : octaves[1]) rows += count.get<std::int64_t>();
    EXPECT_EQ(rows, 100);
    EXPECT_NE(octaves[1].front(), 0);
    EXPECT_NE(octaves[1].back(), 0);
  }
  EXPECT_EQ(json["sites"][2]["channels"]["octaves"][0], Json::parse("[-27, [2]]"));
  EXPECT_TRUE(json["sites"][3]["absmax"].is_null());
  EXPECT_TRUE(json["sites"][3]["layer"].is_null());
  EXPECT_TRUE(json["sites"][3]["channels"]["p50"][0].is_null());
  EXPECT_EQ(json["sites"][3]["channels"]["octaves"][0], Json::parse("[0, []]"));
  EXPECT_EQ(json["sites"][3]["low"], 0);
  EXPECT_TRUE(json["sites"][4]["channels"].is_null());
}

TEST(CalibrationReport, NamesTheChannelThatReachesFarthest) {
  const auto result = example();
  const auto worst = worst_channel(result.sites[0].channels);
  EXPECT_EQ(worst.channel, 5);
  EXPECT_EQ(worst.absmax, result.sites[0].absmax);
  EXPECT_NEAR(worst.ratio, 30, 10);
  EXPECT_EQ(worst_channel(result.sites[3].channels).channel, -1);
  const auto text = to_text(result);
  EXPECT_THAT(text, HasSubstr("m.gguf: 5 sites, 100 tokens in 2 chunks of 512, range=absmax"));
  EXPECT_THAT(text, HasSubstr("nothing had 1 NaN and 2 infinite values"));
}

}  // namespace
}  // namespace fakequant
