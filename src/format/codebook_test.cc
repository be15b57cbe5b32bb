// Codebooks against a plain search in the list, and what a file of values may hold.
#include "format/codebook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_facts.h"
#include "format/format_names.h"
#include "format/on_every_target.h"
#include "format/storage_bits.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

class CodebookTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "fakequant_codebook_test";
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) const {
    const auto path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  std::string refusal(const std::string& text) const {
    try {
      codebook_of_file(file("refused.txt", text));
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::usage);
      return error.what();
    }
    return "accepted";
  }

  std::filesystem::path folder_;
};

// By distances in double; on a border the lower one.
double nearest_by_search(const std::vector<float>& values, double x) {
  double best = values[0];
  for (const double value : values) {
    if (std::fabs(value - x) < std::fabs(best - x)) best = value;
  }
  return best;
}

TEST_F(CodebookTest, RoundsToTheNearestOnEveryTarget) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(std::sinh((i - 140) / 40.0)) + "\n";
  const std::string names[] = {"nf4", "lookup:" + file("two.txt", "-1\n3\n"), "lookup:" + file("many.txt", text),
                               "lookup:" + file("five.txt", "0\n# a comment\n\n 1e2 \n-0.5\r\n+7\n3\n")};
  for (const auto& name : names) {
    auto format = parse_format(name + (name == "nf4" ? ",range=1" : ""));
    const auto& codebook = *format.element.codebook;
    std::vector<float> values = normal_floats(5000, 3, codebook.largest() / 2);
    for (const float threshold : codebook.thresholds) {
      for (const float x : {std::nextafter(threshold, -INFINITY), threshold, std::nextafter(threshold, INFINITY)}) {
        values.push_back(x);
      }
    }
    values.insert(values.end(), codebook.values.begin(), codebook.values.end());
    for (const float x : {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1e30f, codebook.low, codebook.high})
      values.push_back(x);
    on_every_target([&] {
      auto rounded = values;
      const auto saturated = round_values(format, rounded);
      std::int64_t beyond = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const float x = values[i];
        EXPECT_TRUE(same(rounded[i] + 0.0f, round_to_codebook(codebook, Rounding::nearest, x) + 0.0f))
            << name << " " << x;
        beyond += is_beyond(codebook, x);
        if (!std::isfinite(x)) continue;
        const auto nearest = nearest_by_search(codebook.values, x);
        // A threshold in float32 may be half an ulp off.
        EXPECT_LE(std::fabs(rounded[i] - static_cast<double>(x)), std::fabs(nearest - x) + 1e-7 * codebook.largest());
      }
      EXPECT_EQ(saturated, beyond) << name;
    });
  }
}

TEST_F(CodebookTest, HasScalesAsOtherElementsDo) {
  const auto name = "lookup:" + file("levels.txt", "-3\n-1\n0\n0.5\n1\n2\n");
  auto values = normal_floats(64 * 40, 4);
  values[70] = NAN;
  values[200] = INFINITY;
  std::fill_n(values.begin() + 256, 64, 0.0f);
  for (const auto& text : {name + ",per=row", name + ",per=block,block=16,scale=f16", name + ",per=block,block=24",
                           name + ",per=tensor", name + ",per=block,scale=e8m0:ceil", name + ",tile=8x32",
                           std::string("nf4"), name + ",per=block,block=16,scale=e4m3,outer=f32"}) {
    const auto format = parse_format(text);
    const auto outer = format.outer_scale == ScaleType::none ? 1 : scale_of(format, values).outer;
    auto expected = values;
    const auto group = format.per == Span::row      ? 64
                       : format.per == Span::tensor ? values.size()
                                                    : static_cast<std::size_t>(format.block);
    if (format.per == Span::tile) continue;
    for (std::size_t row = 0; row < values.size(); row += std::max<std::size_t>(64, group)) {
      const auto end = std::min(values.size(), row + std::max<std::size_t>(64, group));
      for (std::size_t at = row; at < end; at += group) {
        const std::span part(expected.data() + at, std::min(group, end - at));
        const auto scale = format.outer_scale == ScaleType::none ? scale_of(format, part).floating
                                                                 : scale_of_block(format, outer, part, nullptr);
        for (auto& x : part) x = round_to_scaled(format.element, scale, Rounding::nearest, x).value;
      }
    }
    on_every_target([&] {
      auto rounded = values;
      round_values(format, rounded, {.row = 64});
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same(rounded[i] + 0.0f, expected[i] + 0.0f)) << text << " " << i << " " << values[i];
      }
    });
  }
  // The absmax of a block goes to the largest magnitude of the list.
  std::vector<float> row = {-6, 1, 4, 0.9f};
  round_values(parse_format(name + ",per=row"), row);
  EXPECT_EQ(row, (std::vector<float>{-6, 1, 4, 1}));
}

TEST_F(CodebookTest, IsPartOfAFormat) {
  const auto path = file("a,b.txt", "0\n1\n-1\n");
  const auto format = parse_format("lookup:'" + path + "',per=row");
  EXPECT_EQ(format.element.codebook->values, (std::vector<float>{-1, 0, 1}));
  EXPECT_EQ(to_string(format), "lookup:'" + path + "',per=row");
  EXPECT_EQ(parse_format(to_string(format)), format);
  EXPECT_EQ(format.element.bits(), 2);
  EXPECT_EQ(storage_bits(format, {10, 256}, ScaledAs::weight), 2560 * 2 + 10 * 32);
  EXPECT_EQ(facts_of(format).codes, "3 values, -1 .. 1");
  EXPECT_EQ(facts_of(parse_format("nf4")).bits, 4.5);
  EXPECT_EQ(examples_of(parse_format("nf4"), {1, 0.16, -0.7}).at(1).code, 9);
  file("a,b.txt", "0\n1\n-2\n");  // another list
  EXPECT_NE(parse_format(to_string(format)), format);
}

TEST_F(CodebookTest, RefusesWhatIsNoList) {
  EXPECT_THAT(refusal(""), HasSubstr("at least 2 values, and this has 0"));
  EXPECT_THAT(refusal("1\n"), HasSubstr("at least 2 values, and this has 1"));
  EXPECT_THAT(refusal("1\n2\nnan\n"), HasSubstr("line 3 is not one finite number"));
  EXPECT_THAT(refusal("1\n1e99\n"), HasSubstr("line 2 is not one finite number"));
  EXPECT_THAT(refusal("1 2\n"), HasSubstr("line 1 is not one finite number"));
  EXPECT_THAT(refusal("3\n\n1\n3.0\n"), HasSubstr("lines 1 and 4 have the same value, 3"));
  EXPECT_THAT(refusal("0\n-0\n"), HasSubstr("same value"));
  std::string many;
  for (int i = 0; i <= 65536; ++i) many += std::to_string(i) + "\n";
  EXPECT_THAT(refusal(many), HasSubstr("more than 65536 values"));
  EXPECT_THROW(parse_format("lookup:/no/such/file"), Error);
}

}  // namespace
}  // namespace fakequant
