// Float elements under scales, against their definition: scale = absmax / largest as its type holds it, and
// element(x / scale) x scale, in float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "format/block_kernel.h"
#include "format/element_kernel.h"
#include "format/fake_quantize.h"
#include "format/format_facts.h"
#include "format/integer_kernel.h"
#include "format/on_every_target.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

// The nearest of an element's magnitudes; of two equally near the one of even code.
float nearest_value(const std::vector<double>& values, float magnitude) {
  if (magnitude >= values.back()) return static_cast<float>(values.back());
  const auto above =
      static_cast<std::size_t>(std::upper_bound(values.begin(), values.end(), magnitude) - values.begin());
  const double down = magnitude - values[above - 1], up = values[above] - magnitude;
  const bool takes_above = up < down || (up == down && above % 2 == 0);
  return static_cast<float>(values[takes_above ? above : above - 1]);
}

float power_of_two_above(float x) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(1.0f, fraction == 0.5f ? exponent - 1 : exponent);
}

// `scale` is f32, the name of a small float, or rceil.
void round_by_definition(const std::string& element_name, const std::string& scale_name, std::span<float> group) {
  static std::map<std::string, std::vector<double>> lists;
  const auto magnitudes = [](const std::string& name) -> const std::vector<double>& {
    auto& list = lists[name];
    if (list.empty()) list = magnitudes_of(*element_of(name));
    return list;
  };
  const auto& element = magnitudes(element_name);
  float absmax = 0;
  for (const float x : group) absmax = std::max(absmax, std::fabs(x));
  float scale = absmax / static_cast<float>(element.back());
  if (scale_name == "rceil") {
    scale = power_of_two_above(scale);
  } else if (scale_name != "f32") {
    scale = nearest_value(magnitudes(scale_name), scale);
  }
  for (auto& x : group) {
    x = scale == 0 ? std::copysign(0.0f, x) : std::copysign(nearest_value(element, std::fabs(x / scale)) * scale, x);
  }
}

constexpr std::size_t kRow = 200;

std::vector<float> rows_with_outliers() {
  auto values = normal_floats(kRow * 12, 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] *= std::ldexp(1.0f, static_cast<int>(i / kRow) * 2 - 12);
    if (i % 61 == 0) values[i] *= 50;
  }
  std::fill_n(values.begin() + 3 * kRow, kRow, 0.0f);
  values[3 * kRow + 1] = -0.0f;
  return values;
}

std::string text_of(const std::string& element, const std::string& span, const std::string& scale) {
  return element + ",per=" + span + ",scale=" + (scale == "rceil" ? "e8m0:rceil" : scale);
}

// range=mse: no other part of the range has a smaller error, and a wider one of equals is taken.
TEST(ScaledFloats, AreScaledToTheRangeThatLosesLeast) {
  const auto values = rows_with_outliers();
  for (const char* text : {"e2m1,per=row", "e4m3,per=tensor,scale=bf16", "e2m1,per=block,block=50", "nf4,per=row"}) {
    const auto format = parse_format(std::string(text) + ",range=mse");
    const auto size = format.per == Span::tensor ? values.size()
                      : format.per == Span::row  ? kRow
                                                 : static_cast<std::size_t>(format.block);
    auto expected = values;
    for (std::size_t begin = 0; begin < values.size(); begin += size) {
      const std::span group(expected.data() + begin, size);
      const float absmax = range_of(group).absmax();
      double least = INFINITY;
      std::vector<float> best(size, 0.0f);
      for (int percent = 100; percent >= 1; --percent) {
        const auto part = static_cast<float>(static_cast<double>(absmax) * percent / 100);
        const auto scale = float_scale(format, part);
        if (scale.scale == 0) continue;
        std::vector<float> rounded(group.begin(), group.end());
        double error = 0;
        for (auto& x : rounded) {
          const float before = x;
          x = round_to_scaled(format.element, scale, Rounding::nearest, x).value;
          error += (static_cast<double>(x) - before) * (static_cast<double>(x) - before);
        }
        if (error < least * (1 - 1e-9)) {
          least = error;
          best = rounded;
        }
      }
      std::copy(best.begin(), best.end(), group.begin());
    }
    auto rounded = values;
    round_values(format, rounded, {.row = kRow});
    double error = 0, expected_error = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      error += std::pow(static_cast<double>(rounded[i]) - values[i], 2);
      expected_error += std::pow(static_cast<double>(expected[i]) - values[i], 2);
    }
    EXPECT_NEAR(error, expected_error, 1e-6 * expected_error) << text;
  }
}

TEST(ScaledFloats, AreWhatTheirDefinitionSays) {
  const auto values = rows_with_outliers();
  for (const std::string element : {"e4m3", "e5m2", "e2m1", "e3m4", "f16"}) {
    for (const std::string scale : {"f32", "bf16", "f16", "e4m3", "e5m3", "rceil"}) {
      for (const std::string span : {"row", "tensor", "block,block=8", "block,block=64", "block,block=128"}) {
        if (scale == "rceil" && span.starts_with("block")) continue;  // MX: see block_test.cc
        const auto format = parse_format(text_of(element, span, scale));
        auto expected = values;
        const auto group_size = span == "tensor" ? values.size()
                                : span == "row"  ? kRow
                                                 : static_cast<std::size_t>(format.block);
        const auto row_size = span == "tensor" ? values.size() : kRow;
        for (std::size_t row = 0; row < values.size(); row += row_size) {
          for (std::size_t i = 0; i < row_size; i += group_size) {
            round_by_definition(element, scale,
                                std::span(expected).subspan(row + i, std::min(group_size, row_size - i)));
          }
        }
        on_every_target([&] {
          auto rounded = values;
          round_values(format, rounded, {.row = kRow});
          for (std::size_t i = 0; i < values.size(); ++i) {
            ASSERT_TRUE(same(rounded[i], expected[i])) << to_string(format) << ": " << values[i] << " at " << i
                                                       << " is " << rounded[i] << ", not " << expected[i];
          }
        });
      }
    }
  }
}

std::vector<float> hard_values() {
  auto values = normal_floats(2048 + 77, 2);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] *= std::ldexp(1.0f, static_cast<int>(i / 64 % 40) * 7 - 140);
  for (const std::size_t at : {3u, 200u, 1000u}) values[at] = NAN;
  for (const std::size_t at : {70u, 201u}) values[at] = INFINITY;
  values[202] = -INFINITY;
  std::fill_n(values.begin() + 512, 128, -0.0f);
  values[640] = std::numeric_limits<float>::max();
  values[2048 + 76] = std::numeric_limits<float>::denorm_min();
  return values;
}

TEST(ScaledFloats, EqualTheReferenceOnEveryTargetAndInEveryRounding) {
  const auto values = hard_values();
  const auto words = random_words_for_test(values.size(), 3);
  for (const std::string text :
       {"e4m3,per=row", "e5m2,per=row,scale=bf16", "e2m1,per=row,scale=e8m0:rceil", "e4m3fnuz,per=row", "e7m10,per=row",
        "f16,per=row,scale=f16", "e4m3,per=row,arithmetic=reciprocal", "e5m2,per=row,arithmetic=reciprocal",
        "e4m3,per=row,arithmetic=factor,margin=1", "e5m2,per=row,scale=e8m0,margin=3", "e4m3,per=row,margin=64",
        "e4m3,per=row,scale=e4m3,least=subnormal"}) {
    auto format = parse_format(text);
    for (const float absmax : {0.0f, 1e-45f, 1e-37f, 1.0f, 448.0f, 3e38f}) {
      for (const auto rounding : kRoundings) {
        const auto scale = float_scale(format, absmax);
        const auto* random = is_random(rounding) ? words.data() : nullptr;
        auto expected = values;
        std::int64_t saturated = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
          const auto rounded = round_to_scaled(format.element, scale, rounding, values[i], words[i]);
          expected[i] = rounded.value;
          saturated += rounded.saturated;
        }
        on_every_target([&] {
          auto rounded = values;
          ASSERT_EQ(round_to_scaled_element(format.element, scale, rounding, rounded, random), saturated)
              << text << absmax;
          for (std::size_t i = 0; i < values.size(); ++i) ASSERT_TRUE(same(rounded[i], expected[i])) << text << absmax;
        });
      }
    }
  }
}

TEST(ScaledFloats, InBlocksEqualTheReferenceOnEveryTargetAndInEveryRounding) {
  const auto values = hard_values();
  const auto words = random_words_for_test(values.size(), 4);
  for (const std::string text : {"e4m3,per=block",
                                 "e4m3,per=block,block=128",
                                 "e5m2,per=block,block=16,scale=bf16",
                                 "e2m1,per=block,block=48,scale=ue5m3",
                                 "e2m1,per=block,block=16,scale=e4m3",
                                 "e2m1,per=block,block=32,scale=ue4m1,outer=f32",
                                 "e7m10,per=block,block=1024",
                                 "f16,per=block,scale=f16,outer=f32",
                                 "e2m3,per=block,scale=tf32",
                                 "e4m3fnuz,per=block,scale=e8m1",
                                 "e4m3,per=block,block=128,arithmetic=reciprocal",
                                 "nvfp4,arithmetic=reciprocal",
                                 "nvfp4,fit=four-over-six",
                                 "nvfp4,block=48,fit=four-over-six",
                                 "nvfp4,least=subnormal",
                                 "nvfp4,least=normal,arithmetic=reciprocal",
                                 "e2m1,per=block,block=48,scale=ue5m3,outer=f32,least=normal",
                                 "nvfp4,fit=four-over-six,least=normal",
                                 "nvfp4,block=48,fit=four-over-six,least=subnormal",
                                 "e5m2,per=block,block=16,scale=bf16,least=normal",
                                 "e4m3,per=block,block=128,arithmetic=factor",
                                 "e4m3,per=block,arithmetic=factor,margin=5",
                                 "e4m3,per=block,block=128,margin=2",
                                 "e4m3,per=block,margin=64",
                                 "e2m1,per=block,scale=f16,margin=1"}) {
    auto format = parse_format(text);
    const auto block = static_cast<std::size_t>(format.block);
    for (const float absmax : {1.0f, 1e-30f, 1e25f, 0.0f}) {
      const float outer = format.outer_scale == ScaleType::none ? 1 : outer_scale(format, absmax);
      for (const auto rounding : kRoundings) {
        format.rounding = rounding;
        const auto* random = is_random(rounding) ? words.data() : nullptr;
        auto expected = values;
        std::int64_t saturated = 0;
        for (std::size_t i = 0; i < values.size(); i += block) {
          const auto group = std::span(expected).subspan(i, std::min(block, values.size() - i));
          saturated += round_scaled_block(format, outer, group, random == nullptr ? nullptr : random + i);
        }
        on_every_target([&] {
          auto rounded = values;
          ASSERT_EQ(round_to_scaled_blocks(format, outer, rounded, random), saturated) << to_string(format);
          for (std::size_t i = 0; i < values.size(); ++i) {
            ASSERT_TRUE(same(rounded[i], expected[i])) << to_string(format) << ": " << values[i] << " at " << i
                                                       << " is " << rounded[i] << ", not " << expected[i];
          }
        });
      }
    }
  }
}

// least=: no stored scale is smaller. Blocks whose scale is smaller round under it, and blocks of zeros stay.
TEST(ScaledFloats, HaveNoScaleBelowTheLeast) {
  std::vector<float> values(4096);
  const auto normal = normal_floats(values.size(), 5);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::ldexp(normal[i], -static_cast<int>(i / 16 % 40));
    if (i / 16 % 41 == 3) values[i] = 0;
  }
  const float outer = range_of(values).absmax() / (6 * 448);
  for (const auto& [text, least] : std::map<std::string, float>{{"nvfp4,least=subnormal", 0x1p-9f},
                                                                {"nvfp4,least=normal", 0x1p-6f},
                                                                {"nvfp4,least=zero", 0},
                                                                {"nvfp4", 0}}) {
    auto rounded = values;
    round_values(parse_format(text), rounded);
    int raised = 0;
    for (std::size_t i = 0; i < values.size(); i += 16) {
      const auto block = std::span(values).subspan(i, 16);
      std::vector<float> number = {range_of(block).absmax() / 6 / outer};
      round_values(parse_format("e4m3"), number);
      raised += number[0] < least;
      const float scale = std::max(number[0], least) * outer;
      for (std::size_t k = 0; k < 16; ++k) {
        std::vector<float> element = {scale == 0 ? 0 : block[k] / scale};
        round_values(parse_format("e2m1"), element);
        ASSERT_EQ(rounded[i + k], element[0] * scale) << text << " " << block[k];
      }
    }
    EXPECT_EQ(raised > 20, least > 0) << text;
  }
}

// margin=: the scale of 2^margin times the absmax, so that a value of that size saturates and the absmax does not.
TEST(ScaledFloats, LeaveRoomForAMargin) {
  for (const std::string text : {"e2m1,per=row", "e2m1,per=row,arithmetic=reciprocal", "e2m3,per=row,arithmetic=factor",
                                 "e2m1,per=row,scale=e8m0:rceil", "e2m1,per=block,block=64", "e3m2,tile=4x64"}) {
    auto values = normal_floats(4 * 256, 6);
    for (std::size_t i = 0; i < values.size(); i += 64) values[i] = 8;
    auto plain = values, with_margin = values;
    round_values(parse_format(text), plain, {.row = 256});
    // Values four times as large under the scale that those have.
    round_values(parse_format(text + ",margin=2"), with_margin, {.row = 256});
    auto larger = values;
    for (std::size_t i = 0; i < values.size(); i += 64) larger[i] = 32;
    round_values(parse_format(text), larger, {.row = 256});
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % 64 == 0) continue;
      ASSERT_EQ(with_margin[i], larger[i]) << text << " " << values[i];
    }
    EXPECT_NE(plain, with_margin) << text;
  }
  EXPECT_EQ(float_scale(parse_format("e4m3,range=6.5,margin=3"), 6.5f).scale, 8 * (6.5f / 448));
  EXPECT_TRUE(std::isfinite(float_scale(parse_format("e4m3,range=6.5,margin=64"), 1e30f).scale));
}

// TransformerEngine's order of operations.
TEST(ScaledFloats, ByFactorAreProductsWithAQuotient) {
  int different = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    const auto values = normal_floats(4096, seed);
    const float factor = 448.0f / range_of(values).absmax(), back = 1.0f / factor;
    auto expected = values, by_reciprocal = values;
    for (auto& x : expected) x *= factor;
    round_values(parse_format("e4m3"), expected);
    for (auto& x : expected) x *= back;
    round_values(parse_format("e4m3,per=row,arithmetic=reciprocal"), by_reciprocal);
    different += expected != by_reciprocal;
    for (const std::string span : {"row", "tensor", "block,block=4096"}) {
      auto rounded = values;
      round_values(parse_format("e4m3,arithmetic=factor,per=" + span), rounded);
      EXPECT_EQ(rounded, expected) << span;
    }
  }
  EXPECT_GT(different, 0);
}

// ModelOpt's order of operations. A product and a quotient differ in the last bit now and then, and a tie with it.
TEST(ScaledFloats, ByReciprocalAreProducts) {
  int different = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    const auto values = normal_floats(4096, seed);
    const float factor = 1.0f / range_of(values).absmax() * 448.0f, back = 1.0f / factor;
    auto expected = values, by_division = values;
    for (auto& x : expected) x *= factor;
    round_values(parse_format("e4m3"), expected);
    for (auto& x : expected) x *= back;
    round_values(parse_format("e4m3,per=row"), by_division);
    different += expected != by_division;
    for (const std::string span : {"row", "tensor", "block,block=4096"}) {
      auto rounded = values;
      round_values(parse_format("e4m3,arithmetic=reciprocal,per=" + span), rounded);
      EXPECT_EQ(rounded, expected) << span;
    }
  }
  EXPECT_GT(different, 10);
}

// arXiv 2512.02010: outer = absmax / (6 x 256), and of the scales e4m3(absmax / 6 / outer) and e4m3(absmax / 4 / outer)
// the one that loses less.
TEST(ScaledFloats, GoToFourWhereThatLosesLess) {
  const auto values = normal_floats(16 * 200, 12);
  const float outer = range_of(values).absmax() / (6.0f * 256.0f);
  int fours = 0;
  auto rounded = values;
  round_values(parse_format("nvfp4,fit=four-over-six"), rounded);
  for (std::size_t begin = 0; begin < values.size(); begin += 16) {
    const auto block = std::span(values).subspan(begin, 16);
    const float absmax = range_of(block).absmax();
    std::vector<float> best;
    double least = INFINITY;
    for (const float largest : {6.0f, 4.0f}) {
      std::vector<float> scale = {absmax / largest / outer};
      round_values(parse_format("e4m3"), scale);
      std::vector<float> tried(block.begin(), block.end());
      for (auto& x : tried) x /= scale[0] * outer;
      round_values(parse_format("e2m1"), tried);
      double error = 0;
      for (std::size_t i = 0; i < 16; ++i) {
        tried[i] *= scale[0] * outer;
        error += std::pow(static_cast<double>(tried[i]) - block[i], 2);
      }
      if (error >= least) continue;
      fours += largest == 4;
      least = error;
      best = tried;
    }
    for (std::size_t i = 0; i < 16; ++i) ASSERT_EQ(rounded[begin + i], best[i]);
  }
  EXPECT_GT(fours, 40);
  EXPECT_LT(fours, 160);
  auto plain = values;
  EXPECT_GT(errors_between(values, (round_values(parse_format("nvfp4"), plain), plain)).sum_error2,
            errors_between(values, rounded).sum_error2);
}

// `formats` shows the scale that was taken, and what lies around a value under it.
TEST(ScaledFloats, AreShownUnderTheirScale) {
  for (const auto* text : {"nvfp4,fit=four-over-six", "nvfp4", "e4m3,per=row", "e2m1,per=block,block=4",
                           "e5m2,per=row,scale=e8m0:rceil", "e4m3,per=block,arithmetic=reciprocal", "e4m3,range=6.5"}) {
    const auto format = parse_format(text);
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      const auto row = normal_floats(20, seed);
      for (const auto& example : examples_of(format, {row.begin(), row.end()})) {
        ASSERT_TRUE(example.rounded == example.below || example.rounded == example.above) << text;
        ASSERT_LE(*example.below, *example.above);
        const auto element = decode(format.element, static_cast<std::uint32_t>(*example.code));
        ASSERT_EQ(static_cast<float>(element) * static_cast<float>(*example.scale), static_cast<float>(example.rounded))
            << text;
      }
    }
  }
}

// A number as the range is a static range that needs no file.
TEST(ScaledFloats, TakeANumberAsTheirRange) {
  const auto values = normal_floats(1000, 13, 4);
  for (const std::string name : {"e4m3", "int8", "int4,mode=asym", "nvfp4", "e5m2,per=tensor,scale=bf16"}) {
    const auto format = parse_format(name + ",range=6.5");
    auto rounded = values, expected = values;
    EXPECT_GT(round_values(format, rounded), 0) << name;  // values beyond
    round_values(format, expected, {.scale = static_scale(format, {-6.5f, 6.5f})});
    EXPECT_EQ(rounded, expected) << name;
    TensorScaleSearch search(format);
    EXPECT_EQ(search.passes(), 0);
    EXPECT_EQ(search.scale().floating, scale_of(format, values).floating);
  }
}

// A block that is rounded alone and one in a row of blocks have the same scale, and so has a row that is one block.
TEST(ScaledFloats, AreTheSameInARowAndInABlockOfItsLength) {
  const auto values = hard_values();
  for (const std::string element : {"e4m3", "e2m1", "e3m4"}) {
    for (const std::string scale : {"f32", "bf16", "e4m3"}) {
      auto row = values, block = values, odd = values;
      const auto by_rows = round_values(parse_format(text_of(element, "row", scale)), row, {.row = 125});
      EXPECT_EQ(round_values(parse_format(text_of(element, "block,block=125", scale)), odd, {.row = 125}), by_rows);
      EXPECT_EQ(round_values(parse_format(text_of(element, "block,block=128", scale)), block, {.row = 125}), by_rows);
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same(row[i], block[i])) << i << " of " << element << " " << scale;
        ASSERT_TRUE(same(row[i], odd[i])) << i << " of " << element << " " << scale;
      }
    }
  }
}

const char* const kScaledFormats[] = {"e4m3,per=row",
                                      "e5m2,per=row,scale=e8m0:rceil",
                                      "e2m1,per=block,block=16,scale=e4m3,outer=f32",
                                      "e2m1,per=block",
                                      "e4m3,per=block,block=128",
                                      "e3m2,per=block,scale=bf16",
                                      "mxfp4,scale=rceil",
                                      "mxfp8,scale=even",
                                      "e4m3,per=tensor",
                                      "e4m3,per=row,scale=f16"};

TEST(ScaledFloats, AreOddAndMonotonic) {
  auto values = normal_floats(512, 5);
  std::sort(values.begin(), values.end());
  for (const auto* text : {"e4m3,per=row", "e5m2,per=tensor,scale=bf16", "e2m1,per=row,scale=e8m0:even"}) {
    const auto format = parse_format(text);
    auto rounded = values, negated = values;
    for (auto& x : negated) x = -x;
    round_values(format, rounded);
    round_values(format, negated);
    EXPECT_TRUE(std::is_sorted(rounded.begin(), rounded.end())) << text;
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(negated[i], -rounded[i]) << text;
  }
}

// Where the largest value is held, the result is rounded to itself. (A scale that is itself rounded may be another the
// second time.)
TEST(ScaledFloats, MapTheirResultsToThemselves) {
  const auto values = rows_with_outliers();
  for (const auto* text :
       {"e4m3,per=row,scale=e8m0:rceil", "mxfp4,scale=rceil", "mxfp8,scale=rceil", "mxfp6,scale=ceil"}) {
    auto once = values;
    round_values(parse_format(text), once, {.row = kRow});
    auto twice = once;
    round_values(parse_format(text), twice, {.row = kRow});
    // A second scale may be half the first, which has all values of the first but those beyond its largest.
    EXPECT_EQ(once, twice) << text;
  }
}

TEST(ScaledFloats, ScaleWithPowersOfTwo) {
  const auto values = normal_floats(256, 6);
  for (const auto* text : kScaledFormats) {
    const auto format = parse_format(text);
    if (format.scale.type == ScaleType::small_float && format.outer_scale == ScaleType::none &&
        format.scale.number.name != "bf16") {
      continue;  // a narrow scale without an outer one has an end
    }
    auto plain = values, scaled = values;
    for (auto& x : scaled) x *= 0x1p-20f;
    round_values(format, plain);
    round_values(format, scaled);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(scaled[i], plain[i] * 0x1p-20f) << text;
  }
}

TEST(ScaledFloats, LeaveNaNAndSaturateInfinity) {
  on_every_target([] {
    for (const auto* text :
         {"e4m3,per=row", "e5m2,per=block", "e2m1,per=block,block=16,scale=e4m3", "e4m3,per=row,scale=e8m0"}) {
      std::vector<float> values(32, 1.0f);
      values[0] = NAN;
      values[1] = INFINITY;
      values[2] = -INFINITY;
      EXPECT_EQ(round_values(parse_format(text), values), 2) << text;
      EXPECT_TRUE(std::isnan(values[0]));
      EXPECT_TRUE(std::isfinite(values[1]));
      EXPECT_EQ(values[2], -values[1]);
    }
  });
}

// The same from a tensor in pieces, from a static range, and from all values at once.
TEST(ScaledFloats, HaveOneScaleForATensor) {
  const auto values = normal_floats(5000, 7);
  for (const auto* text : {"e4m3,per=tensor", "e4m3,per=tensor,range=percentile:99.5", "e5m2,per=tensor,scale=bf16"}) {
    const auto format = parse_format(text);
    TensorScaleSearch search(format);
    for (int pass = 0; pass < search.passes(); ++pass) {
      std::vector<std::vector<double>> sums;
      for (std::size_t i = 0; i < values.size(); i += 1000)
        sums.push_back(search.look(std::span(values).subspan(i, 1000)));
      search.end_pass(sums);
    }
    EXPECT_EQ(search.scale().floating, scale_of(format, values).floating) << text;
    EXPECT_GT(search.scale().floating.scale, 0) << text;
  }
  auto by_absmax = values, by_range = values;
  const auto fixed = parse_format("e4m3,range=static:r.json");
  round_values(parse_format("e4m3,per=tensor"), by_absmax);
  round_values(fixed, by_range, {.scale = static_scale(fixed, range_of(values))});
  EXPECT_EQ(by_absmax, by_range);
}

}  // namespace
}  // namespace fakequant
