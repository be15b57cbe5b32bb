#include "format/ggml_types.h"

#include <fmt/format.h>
#include <ggml.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_facts.h"
#include "format/on_every_target.h"
#include "format/storage_bits.h"
#include "format/test_values.h"

// ggml exports these, in no public header.
extern "C" {
void quantize_row_q8_K_ref(const float* values, void* quantized, std::int64_t count);
void dequantize_row_q8_K(const void* quantized, float* values, std::int64_t count);
}

namespace fakequant {
namespace {

class GgmlTypes : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_ggml_types(); }
};

std::string refusal(const std::string& text) {
  try {
    parse_format(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

// Types for which ggml first computes tables, for seconds, are only for the exhaustive tests.
bool is_left_out(const BlockType& type) {
  const bool is_slow = type.name.starts_with("iq1") || type.name.starts_with("iq2");
  return is_slow && std::getenv("EXHAUSTIVE") == nullptr;
}

TEST_F(GgmlTypes, AreFormats) {
  for (const auto* text : {"q4_k", "ggml:q4_k", "ggml:mxfp4", "q2_k,imatrix='a,b.gguf'"}) {
    EXPECT_EQ(to_string(parse_format(text)), text);
  }
  for (const auto& facts : all_format_facts()) EXPECT_EQ(parse_format(facts.name).name, facts.name);
  EXPECT_EQ(parse_format("ggml:q4_k").block_type, parse_format("q4_k").block_type);
  EXPECT_NE(parse_format("q4_k").block_type, nullptr);
  EXPECT_THAT(refusal("ggml:q9"), testing::HasSubstr("unknown format"));
  EXPECT_THAT(refusal("ggml:f32"), testing::HasSubstr("unknown format"));
  EXPECT_THAT(refusal("q4_k,round=zero"), testing::HasSubstr("it takes rotate=, smooth=, awq=, imatrix="));
  EXPECT_THAT(refusal("q4_k,imatrix="), testing::HasSubstr("imatrix=FILE"));
  EXPECT_THAT(refusal("q4_k,imatrix='a,b"), testing::HasSubstr("not closed by a quote"));
}

TEST_F(GgmlTypes, GiveWayToOtherFormatsOfTheSameName) {
  EXPECT_EQ(parse_format("mxfp4").block_type, nullptr);
  EXPECT_EQ(parse_format("f16").block_type, nullptr);
  EXPECT_NE(parse_format("ggml:mxfp4").block_type, nullptr);
}

TEST_F(GgmlTypes, AreRegisteredOnce) {
  const auto types = block_types();
  register_ggml_types();
  EXPECT_EQ(block_types(), types);
  EXPECT_EQ(types.size(), ggml_types().size() + ggml_input_types().size());
}

TEST_F(GgmlTypes, TakeWholeBlocksOfMemory) {
  constexpr ValueRows kMatrix{10, 256};
  EXPECT_EQ(storage_bits(parse_format("q4_k"), kMatrix, ScaledAs::weight), 10 * 144 * 8);
  for (const auto& type : ggml_types()) {
    const auto format = parse_format("ggml:" + type.name);
    EXPECT_EQ(static_cast<double>(storage_bits(format, kMatrix, ScaledAs::weight)), 2560 * facts_of(format).bits);
  }
}

TEST_F(GgmlTypes, AreTheOnesThatPeopleName) {
  std::vector<std::string> names;
  for (const auto& type : ggml_types()) names.push_back(type.name);
  for (const char* name : {"q4_0", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq2_xxs", "iq3_s", "iq4_nl",
                           "iq4_xs", "tq1_0", "tq2_0", "mxfp4", "f16", "bf16"}) {
    EXPECT_THAT(names, testing::Contains(name));
  }
  EXPECT_EQ(find_block_type("f32"), nullptr);
  EXPECT_EQ(find_block_type("i32"), nullptr);
}

// Each type, row by row, against ggml's quantizer and its reading back of those bytes.
TEST_F(GgmlTypes, GiveWhatGgmlGives) {
  constexpr std::int64_t kRow = 512, kRows = 2;
  const auto values = normal_floats(kRow * kRows, 1, 0.05f);
  std::vector<float> importance(kRow);
  for (std::size_t i = 0; i < importance.size(); ++i) importance[i] = 1 + static_cast<float>(i % 7);
  for (const auto& type : ggml_types()) {
    if (is_left_out(type)) continue;
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

// The vector kernel against ggml's own code.
TEST_F(GgmlTypes, HaveTheBitsOfGgmlInQ8K) {
  auto values = normal_floats(256 * 400, 6);
  std::mt19937 random(7);
  for (std::size_t b = 0; b < 400; ++b) {
    const auto block = std::span(values).subspan(256 * b, 256);
    const int exponent = b < 100 ? 0 : static_cast<int>(random() % 270) - 140;
    for (auto& x : block) x = std::ldexp(x, exponent);
    if (b % 7 == 0) block[random() % 256] *= 50;
    if (b % 11 == 0) {  // two of the largest magnitude, of different signs
      const auto [low, high] = std::minmax_element(block.begin(), block.end());
      block[random() % 256] = -*(random() % 2 == 0 ? low : high);
    }
    if (b % 13 == 0) {  // ties
      for (auto& x : block) x = std::ldexp(std::round(x * 8), exponent);
      block[random() % 256] = 63.5F;
    }
    if (b % 50 == 0) std::fill(block.begin(), block.end(), b % 100 == 0 ? 0.0F : -0.0F);
    for (auto& x : block) {
      if (!std::isfinite(x)) x = 1;
    }
  }
  std::vector<char> bytes(values.size() / 256 * ggml_type_size(GGML_TYPE_Q8_K));
  auto expected = values;
  quantize_row_q8_K_ref(values.data(), bytes.data(), static_cast<std::int64_t>(values.size()));
  dequantize_row_q8_K(bytes.data(), expected.data(), static_cast<std::int64_t>(values.size()));
  on_every_target([&] {
    auto rounded = values;
    round_values(parse_format("q8_k"), rounded);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_TRUE(same(rounded[i], expected[i]))
          << i << ": " << values[i] << " is " << rounded[i] << ", not " << expected[i];
    }
  });
  values[256 * 3 + 5] = NAN;
  values[256 * 9 + 7] = INFINITY;
  round_values(parse_format("q8_k"), values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::isnan(values[i]), i / 256 == 3 || i / 256 == 9);
    EXPECT_TRUE(std::isnan(values[i]) || same(values[i], expected[i])) << i;
  }
}

// By the definition of the blocks: q8_1 as q8_0, with a scale in F16; q8_k with a scale in float32, under
// which the value of largest magnitude has the code -127.
TEST_F(GgmlTypes, HaveTheInputsOfProductsToo) {
  const auto values = normal_floats(512, 2);
  auto q8_0 = values, q8_1 = values, q8_k = values;
  round_values(parse_format("q8_0"), q8_0);
  round_values(parse_format("q8_1"), q8_1);
  EXPECT_EQ(q8_1, q8_0);
  round_values(parse_format("q8_k"), q8_k);
  for (std::size_t begin = 0; begin < values.size(); begin += 256) {
    const auto block = std::span(values).subspan(begin, 256);
    const auto largest =
        *std::max_element(block.begin(), block.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const float inverse = -127.0F / largest;
    for (std::size_t i = 0; i < 256; ++i) {
      const float code = std::min(127.0F, std::nearbyint(inverse * block[i]));
      EXPECT_EQ(q8_k[begin + i], 1 / inverse * code) << i;
    }
  }
  constexpr ValueRows kToken{1, 512};
  EXPECT_EQ(storage_bits(parse_format("q8_k"), kToken, ScaledAs::activation), 2 * 292 * 8);
  EXPECT_EQ(storage_bits(parse_format("q8_1"), kToken, ScaledAs::activation), 16 * 36 * 8);
  EXPECT_EQ(to_string(parse_format("ggml:q8_k")), "ggml:q8_k");
  for (const auto* text : {"q8_1", "q8_k"}) {
    std::vector<float> lost(512, 1.0F);
    lost[1] = NAN;
    round_values(parse_format(text), lost);
    EXPECT_TRUE(std::isnan(lost[0])) << text;
    EXPECT_NEAR(lost[511], 1, 1e-3) << text;
  }
}

TEST_F(GgmlTypes, RefuseWhatGgmlCannotHold) {
  std::vector<float> values(512, 1.0f);
  EXPECT_THROW(round_values(parse_format("q4_k"), values, {.row = 128}), Error);
  EXPECT_NO_THROW(round_values(parse_format("q8_0"), values, {.row = 128}));
}

// ggml's quantizers abort on such values, or give what no figure shows: they are not asked.
TEST_F(GgmlTypes, LoseTheBlockOfAValueThatTheyCannotHold) {
  for (const auto& type : ggml_types()) {
    if (is_left_out(type) || type.needs_importance || type.name == "f16" || type.name == "bf16") continue;
    for (const float value : {NAN, INFINITY, -INFINITY, std::numeric_limits<float>::max(), -1e30F}) {
      SCOPED_TRACE(fmt::format("{} of {}", value, type.name));
      std::vector<float> values(static_cast<std::size_t>(2 * type.block), 1.0F);
      values[1] = value;
      round_values(parse_format("ggml:" + type.name), values, {.row = 2 * type.block});
      const auto block = static_cast<std::ptrdiff_t>(type.block);
      // A wide scale may hold the value, and then makes the others 0.
      const bool is_held =
          std::all_of(values.begin(), values.begin() + block, [](float x) { return std::isfinite(x); });
      EXPECT_TRUE(!is_held || type.name == "mxfp4" || type.name == "q8_k");
      EXPECT_TRUE(std::all_of(values.begin() + block, values.end(), [](float x) { return std::isfinite(x); }));
    }
  }
}

TEST_F(GgmlTypes, AreNotStoredWithValuesThatTheyCannotHold) {
  std::vector<float> values(512, 1.0F);
  const auto quantize = [&](const char* name) { return ggml_quantize(*find_block_type(name), values, 512, {}); };
  for (const float value : {1e8F, 1e16F, NAN, INFINITY}) {
    values[3] = value;
    for (const char* name : {"q4_k", "iq3_s", "q8_0"}) EXPECT_THROW(quantize(name), Error) << name << " " << value;
  }
}

}  // namespace
}  // namespace fakequant
