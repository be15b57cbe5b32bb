#include "report/page_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "error.h"
#include "study/study_database.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PageResultsTest : public testing::Test {
 protected:
  PageResultsTest() : folder_(std::filesystem::temp_directory_path() / ("fakequant-page-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~PageResultsTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  void write_json(const std::string& name, const Json& json) const { write(name, json.dump()); }

  static Json result(const std::string& command) {
    return json_file(command, "m.gguf", {"fakequant " + command, "0.1", {"CPU"}});
  }

  // Of two chunks, whose divergences are 0.25 and 0.75 nats on 10 and 30 predictions.
  void write_study(const std::string& name) const {
    StudyDatabase study((folder_ / name).string(), StudyAccess::write);
    study.transaction([&] {
      study.set_subject({"m.gguf", "ab", 9, 2, 512, 512, "0.1", "llama 1", "CPU", {{"t.txt", "cd"}}});
      const auto id = study.add_variant({"a:ffn_norm@1=int4", "a:ffn_norm", "int4", 1, "", "", {}});
      study.add_variant({"a:ffn_norm@0=int4", "a:ffn_norm", "int4", 0, "", "", {}});  // of which nothing is known yet
      for (const int chunk : {0, 1}) {
        ScoreSums score;
        score.count = chunk == 0 ? 10 : 30;
        score.kld = chunk == 0 ? Moments{2.5, 1} : Moments{22.5, 20};
        score.kld_max = chunk == 0 ? 5 : 4;
        study.add_score(id, {0, chunk}, {score.count, {10, 10}}, score);
      }
      study.set_start(id, {1, ""});
    });
  }

  PageResults read() const { return read_page_results(folder_.string()); }
  std::vector<std::string> shown() const {
    std::vector<std::string> files;
    for (const auto& [file, json] : read().shown) files.push_back(file + " " + json["schema"].get<std::string>());
    return files;
  }

  std::filesystem::path folder_;
};

TEST_F(PageResultsTest, AStudyIsTheResultOfItsSweep) {
  write_study("s.db");
  const auto results = read_page_results((folder_ / "s.db").string());
  ASSERT_EQ(results.shown.size(), 1U);
  const auto& json = results.shown[0].result;
  EXPECT_EQ(json["schema"], "fakequant.sweep/1");
  EXPECT_EQ(json["model"], "m.gguf");
  EXPECT_EQ(json["layers"], 2);
  EXPECT_EQ(json["texts"][0]["chunks"], 2);
  ASSERT_EQ(json["variants"].size(), 1U);
  const auto& variant = json["variants"][0];
  EXPECT_EQ(variant["site"], "a:ffn_norm");
  EXPECT_EQ(variant["layer"], 1);
  EXPECT_EQ(variant["format"], "int4");
  EXPECT_EQ(variant["chunks"], 2);
  EXPECT_EQ(variant["first_layer"], 1);
  EXPECT_EQ(variant["kld"]["mean"], 25.0 / 40);
  EXPECT_EQ(variant["kld"]["max"], 5);
}

TEST_F(PageResultsTest, AFolderGivesWhatFakequantWroteThere) {
  write_study("s.db");
  write_json("eval.json", result("eval"));
  write_json("b.json", result("bench"));
  write("tokenizer.json", R"({"model": {}})");
  write("notes.txt", "none of our business");
  EXPECT_THAT(shown(), ElementsAre("b.json fakequant.bench/1", "eval.json fakequant.eval/1", "s.db fakequant.sweep/1"));
  EXPECT_TRUE(read().left_out.empty());
}

TEST_F(PageResultsTest, WhatCannotBeShownIsNamed) {
  write_json("eval.json", result("eval"));
  write("half.json", R"({"schema": "fakequant.eval/1", "mod)");
  write("nothing.json", R"({"schema": "fakequant.eval/1"})");
  write_json("ranges.json", result("calibrate"));
  write("broken.db", "no database");
  std::vector<std::string> files;
  for (const auto& [file, why] : read().left_out) files.push_back(file);
  EXPECT_THAT(files, ElementsAre("broken.db", "half.json", "nothing.json", "ranges.json"));
  EXPECT_EQ(shown().size(), 1U);
}

TEST_F(PageResultsTest, NothingIsShownTwice) {
  write_study("s.db");
  auto sweep = result("sweep");
  sweep["study"] = "elsewhere/s.db";
  write_json("sweep.json", sweep);
  sweep["study"] = "another.db";
  write_json("another.json", sweep);
  auto experiment = result("experiment");
  experiment["eval"] = result("eval");
  experiment["bench"] = result("bench");
  experiment["drift"] = Json::array({result("drift")});
  write_json("all.json", experiment);
  write_json("eval.json", result("eval"));
  EXPECT_THAT(shown(),
              ElementsAre("all.json fakequant.eval/1", "all.json fakequant.bench/1", "all.json fakequant.drift/1",
                          "another.json fakequant.sweep/1", "s.db fakequant.sweep/1"));
}

TEST_F(PageResultsTest, RefusesWhatHoldsNothing) {
  EXPECT_THROW(read(), Error);
  EXPECT_THROW(read_page_results((folder_ / "none.db").string()), Error);
  write("broken.db", "no database");
  try {
    read();
    FAIL() << "nothing was shown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("broken.db"));
  }
}

}  // namespace
}  // namespace fakequant
