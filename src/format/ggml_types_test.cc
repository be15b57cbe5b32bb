#include "format/ggml_types.h"

#include <ggml.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

TEST(GgmlTypes, AreTheOnesThatPeopleName) {
  std::vector<std::string> names;
  for (const auto& type : ggml_types()) names.push_back(type.name);
  for (const char* name : {"q4_0", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq2_xxs", "iq3_s", "iq4_nl",
                           "iq4_xs", "tq1_0", "tq2_0", "mxfp4", "f16", "bf16"}) {
    EXPECT_THAT(names, testing::Contains(name));
  }
  EXPECT_EQ(ggml_type_of("f32"), nullptr);
  EXPECT_EQ(ggml_type_of("i32"), nullptr);
}

// Each type, row by row, against ggml's quantizer and its reading back of those bytes.
TEST(GgmlTypes, GiveWhatGgmlGives) {
  constexpr std::int64_t kRow = 512, kRows = 2;
  const auto values = normal_floats(kRow * kRows, 1, 0.05f);
  std::vector<float> importance(kRow);
  for (std::size_t i = 0; i < importance.size(); ++i) importance[i] = 1 + static_cast<float>(i % 7);
  for (const auto& type : ggml_types()) {
    for (const bool weighted : {false, true}) {
      if (type.needs_importance && !weighted) continue;
      const auto id = static_cast<ggml_type>(type.id);
      std::vector<float> expected;
      for (std::int64_t row = 0; row < kRows; ++row) {
        std::vector<char> bytes(ggml_row_size(id, kRow));
        ggml_quantize_chunk(id, values.data() + row * kRow, bytes.data(), 0, 1, kRow,
                            weighted ? importance.data() : nullptr);
        std::vector<float> back(kRow);
        ggml_get_type_traits(id)->to_float(bytes.data(), back.data(), kRow);
        expected.insert(expected.end(), back.begin(), back.end());
      }
      auto rounded = values;
      Placement placement{.row = kRow};
      if (weighted) placement.importance = importance;
      const auto errors = fake_quantize(parse_format("ggml:" + type.name), rounded, placement);
      EXPECT_EQ(rounded, expected) << type.name;
      EXPECT_EQ(errors.elements, kRow * kRows);
      EXPECT_GT(errors.sum_error2, 0) << type.name;
    }
  }
}

TEST(GgmlTypes, RefuseWhatGgmlCannotHold) {
  std::vector<float> values(512, 1.0f);
  EXPECT_THROW(round_values(parse_format("q4_k"), values, {.row = 128}), Error);
  EXPECT_NO_THROW(round_values(parse_format("q8_0"), values, {.row = 128}));
  values[3] = NAN;
  EXPECT_THROW(round_values(parse_format("q4_k"), values, {.row = 512}), Error);
  values[3] = INFINITY;
  EXPECT_THROW(round_values(parse_format("iq4_xs"), values, {.row = 512}), Error);
}

}  // namespace
}  // namespace fakequant
