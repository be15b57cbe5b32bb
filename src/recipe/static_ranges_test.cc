#include "recipe/static_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "error.h"

namespace fakequant {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A file with this text, removed at the end of its scope.
class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_(testing::TempDir() + "ranges-" + std::to_string(getpid()) + ".json") {
    std::ofstream(path_, std::ios::binary) << text;
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string file_of(const std::string& sites) {
  return R"({"schema": "fakequant.ranges/1", "model": "m", "sites": [)" + sites + "]}";
}

std::string refusal(const std::string& text) {
  const TextFile file(text);
  try {
    StaticRanges{file.path()};
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::work);
    EXPECT_THAT(error.what(), HasSubstr(file.path()));
    return error.what();
  }
  return "accepted";
}

TEST(StaticRanges, HasTheRangeOfEachSite) {
  const TextFile file(file_of(R"({"site": "ffn_up-0", "layer": 0, "low": -1.5, "high": 2, "channels": {"x": [[[1]]]}},
                                 {"high": 3e38, "low": 0.5, "site": "ffn_up-1", "histogram": {"octaves": [[1, 2]]}},
                                 {"site": "zeros", "low": 0, "high": 0})"));
  const StaticRanges ranges(file.path());
  EXPECT_EQ(ranges.at("ffn_up-0").low, -1.5f);
  EXPECT_EQ(ranges.at("ffn_up-0").high, 2);
  EXPECT_EQ(ranges.at("ffn_up-1").low, 0);  // every range includes 0
  EXPECT_EQ(ranges.at("ffn_up-1").high, 3e38f);
  EXPECT_EQ(ranges.at("zeros").absmax(), 0);
  try {
    ranges.at("ffn_up-11");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(file.path()), HasSubstr("no range for ffn_up-11"),
                                    HasSubstr("the nearest are ffn_up-1, ffn_up-0")));
  }
  const TextFile none(file_of(""));
  EXPECT_THROW(StaticRanges(none.path()).at("x"), Error);
}

TEST(StaticRanges, RefusesADamagedFile) {
  for (const std::string text : {"", "{", "[]", "null", "{}x", "\xFF", "\x00\x01"}) {
    EXPECT_THAT(refusal(text), HasSubstr("not a JSON object")) << text;
  }
  EXPECT_THAT(refusal("{}"), HasSubstr("schema"));
  EXPECT_THAT(refusal(R"({"schema": 1, "sites": []})"), HasSubstr("schema"));
  EXPECT_THAT(refusal(R"({"schema": "fakequant.ranges/2", "sites": []})"), HasSubstr("schema"));
  EXPECT_THAT(refusal(R"({"schema": "fakequant.ranges/1"})"), HasSubstr("no list 'sites'"));
  EXPECT_THAT(refusal(R"({"schema": "fakequant.ranges/1", "sites": {}})"), HasSubstr("no list 'sites'"));
  for (const auto* site : {"1", "{}", "[]", "null", R"({"site": 3, "low": 0, "high": 1})"}) {
    EXPECT_THAT(refusal(file_of(site)), HasSubstr("no name 'site'")) << site;
  }
  for (const auto* low : {R"("0")", "null", "[0]", "{}", "true"}) {
    const auto site = std::string(R"({"site": "s", "high": 1, "low": )") + low + "}";
    EXPECT_THAT(refusal(file_of(site)), HasSubstr("site 's' has no number 'low'")) << low;
  }
  EXPECT_THAT(refusal(file_of(R"({"site": "s", "low": 0})")), HasSubstr("no number 'high'"));
  EXPECT_THAT(refusal(file_of(R"({"site": "s", "low": 0, "high": 1e39})")), HasSubstr("more than float32"));
  EXPECT_NE(refusal(file_of(R"({"site": "s", "low": 0, "high": 1e999})")), "accepted");
  EXPECT_THAT(refusal(file_of(R"({"site": "s", "low": 2, "high": 1})")), HasSubstr("from 2 down to 1"));
  EXPECT_THAT(refusal(file_of(R"({"site": "s", "low": 0, "high": 1}, {"site": "s", "low": 0, "high": 1})")),
              HasSubstr("occurs twice"));
}

TEST(StaticRanges, SurvivesDeepNesting) {
  for (const std::string opening : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 1000000; ++i) deep += opening;
    EXPECT_NE(refusal(deep), "accepted");
    EXPECT_NE(refusal(file_of(R"({"site": "s", "low": 0, "high": )" + deep)), "accepted");
  }
  const std::string nested = std::string(1000000, '[') + std::string(1000000, ']');
  EXPECT_EQ(refusal(file_of(R"({"site": "s", "low": 0, "high": 1, "x": )" + nested + "}")), "accepted");
  EXPECT_THAT(refusal(nested), HasSubstr("not a JSON object"));
}

TEST(StaticRanges, RefusesAFileThatCannotBeRead) {
  EXPECT_THROW(StaticRanges("/nonexistent/ranges.json"), Error);
  EXPECT_THROW(StaticRanges{testing::TempDir()}, Error);
}

}  // namespace
}  // namespace fakequant
