#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "format/block_kernel.h"
#include "format/fake_quantize.h"
#include "format/integer_kernel.h"
#include "format/on_every_target.h"
#include "format/scale_search.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

// Codes -(2^(bits-1)-1) .. 2^(bits-1)-1; scale = absmax / (2^(bits-1)-1).
IntegerScale symmetric_scale(int bits, float absmax) {
  const auto largest = static_cast<float>((1 << (bits - 1)) - 1);
  return {absmax / largest, -largest, largest};
}

// scale = absmax / (2^(N-1)-1) and code = round(x / scale), in float32, as numpy has it.
std::vector<float> symmetric_by_definition(int bits, const std::vector<float>& values) {
  float absmax = 0;
  for (const float x : values) absmax = std::max(absmax, std::fabs(x));
  const auto largest = static_cast<float>(std::pow(2, bits - 1) - 1);
  const float scale = absmax / largest;
  std::vector<float> result;
  for (const float x : values) {
    result.push_back(scale == 0 ? 0 : std::clamp(std::nearbyint(x / scale), -largest, largest) * scale + 0.0f);
  }
  return result;
}

std::vector<float> asymmetric_by_definition(int bits, const std::vector<float>& values) {
  const float low = std::min(0.0f, *std::min_element(values.begin(), values.end()));
  const float high = std::max(0.0f, *std::max_element(values.begin(), values.end()));
  const auto codes = static_cast<float>(std::pow(2, bits) - 1);
  const float scale = (high - low) / codes;
  const float zero_point = scale == 0 ? 0 : std::nearbyint(-low / scale);
  std::vector<float> result;
  for (const float x : values) {
    const float code = scale == 0 ? 0 : std::clamp(std::nearbyint(x / scale) + zero_point, 0.0f, codes);
    result.push_back((code - zero_point) * scale + 0.0f);
  }
  return result;
}

void expect_same(const std::vector<float>& values, const std::vector<float>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_TRUE(same(values[i], expected[i])) << i << ": " << values[i] << ", not " << expected[i];
  }
}

TEST(Integers, AreWhatTheirDefinitionSays) {
  for (int bits = 2; bits <= 16; ++bits) {
    for (const float deviation : {1.0f, 1e-20f, 1e30f}) {
      const auto values = normal_floats(1003, static_cast<std::uint32_t>(bits), deviation);
      on_every_target([&] {
        auto rounded = values;
        round_values(parse_format("int" + std::to_string(bits)), rounded);
        expect_same(rounded, symmetric_by_definition(bits, values));
        rounded = values;
        round_values(parse_format("int" + std::to_string(bits) + ",mode=asym"), rounded);
        expect_same(rounded, asymmetric_by_definition(bits, values));
      });
    }
  }
}

// codes=full is compressed-tensors' and torchao's; scale=f16 and bf16 are rounded before use.
TEST(Integers, HaveTheCodesAndTheScaleTypeThatAreAskedFor) {
  auto values = normal_floats(1000, 9);
  values[0] = -5;  // the absmax, on the side with one more code
  for (const int bits : {2, 4, 8}) {
    for (const std::string codes : {"full", "full-positive"}) {
      for (const std::string type : {"f32", "f16", "bf16"}) {
        const float high = std::ldexp(1.0f, bits - 1) - 1, low = -high - 1;
        std::vector<float> scale = {5 / (codes == "full" ? (std::ldexp(1.0f, bits) - 1) / 2 : high)};
        if (type != "f32") round_values(parse_format(type), scale);
        std::vector<float> expected;
        for (const float x : values) {
          expected.push_back(std::clamp(std::nearbyint(x / scale[0]), low, high) * scale[0] + 0.0f);
        }
        for (const std::string span : {"row", "tensor", "block,block=1000", "block,block=1008"}) {
          const auto format = parse_format(fmt::format("int{},per={},codes={},scale={}", bits, span, codes, type));
          on_every_target([&] {
            auto rounded = values;
            round_values(format, rounded);
            expect_same(rounded, expected);
          });
        }
      }
    }
  }
}

TEST(Integers, FitTheZeroPointToTheScaleAsItIsStored) {
  const auto values = normal_floats(1024, 10);
  for (const std::string type : {"f16", "bf16", "e4m3"}) {
    auto rounded = values, expected = values;
    round_values(parse_format("int4,per=block,block=128,mode=asym,scale=" + type), rounded);
    for (std::size_t i = 0; i < values.size(); i += 128) {
      const auto group = std::span(expected).subspan(i, 128);
      const auto [low, high] = std::minmax_element(group.begin(), group.end());
      std::vector<float> scale = {(*high - *low) / 15};
      const float zero = std::nearbyint(-*low / (round_values(parse_format(type), scale), scale[0]));
      for (auto& x : group) {
        x = (std::clamp(std::nearbyint(x / scale[0]) + zero, 0.0f, 15.0f) - zero) * scale[0] + 0.0f;
      }
    }
    expect_same(rounded, expected);
  }
}

// A power of two as the scale makes the shared exponent of block floating point, as in MXINT8.
TEST(Integers, WithAPowerOfTwoAreThoseOfMx) {
  auto by_parts = normal_floats(1000, 11), by_name = by_parts, rows = by_parts, block = by_parts;
  round_values(parse_format("int8,per=block,block=32,scale=e8m0"), by_parts);
  round_values(parse_format("mxint8"), by_name);
  expect_same(by_parts, by_name);
  round_values(parse_format("int4,per=row,scale=e8m0:ceil"), rows);
  round_values(parse_format("int4,per=block,block=1008,scale=e8m0:ceil"), block);
  expect_same(rows, block);
}

TEST(Integers, HoldZeroAndTheEndsOfAnAsymmetricRange) {
  for (auto values : {std::vector<float>{3, 4, 5}, {-3, -4, -5}, {-1, 0, 7}}) {
    round_values(parse_format("int8,mode=asym"), values);
    EXPECT_EQ(round_to_integer(asymmetric_scale(8, range_of(values)), Rounding::nearest, 0).value, 0);
  }
  auto all_positive = std::vector<float>{10, 100};
  round_values(parse_format("int8,mode=asym"), all_positive);
  EXPECT_FLOAT_EQ(all_positive[1], 100);
}

TEST(Integers, EqualTheReferenceOnEveryTargetAndInEveryRounding) {
  auto values = normal_floats(5003, 1);
  values[10] = NAN;
  values[11] = INFINITY;
  values[12] = -INFINITY;
  values[13] = -0.0f;
  values[14] = 1e-45f;
  values[15] = -1e-45f;
  values[16] = 3e38f;
  const auto words = random_words_for_test(values.size(), 2);
  for (const auto& scale :
       {symmetric_scale(8, 3), symmetric_scale(2, 1), symmetric_scale(16, 4), symmetric_scale(4, 1e-44f),
        asymmetric_scale(4, {-1, 2.5f}), asymmetric_scale(8, {0, 3}), IntegerScale{}}) {
    // Ties, among others.
    for (int i = 0; i < 40; ++i)
      values[100 + static_cast<std::size_t>(i)] = (static_cast<float>(i) - 20) / 2 * scale.scale;
    for (const auto rounding : kRoundings) {
      const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
      std::vector<float> expected;
      std::int64_t saturated = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto rounded = round_to_integer(scale, rounding, values[i], words[i]);
        expected.push_back(rounded.value);
        saturated += rounded.saturated;
      }
      on_every_target([&] {
        auto rounded = values;
        ASSERT_EQ(round_to_integers(scale, rounding, rounded, random), saturated) << to_string(rounding);
        expect_same(rounded, expected);
      });
    }
  }
}

TEST(Integers, HaveTheSquaredErrorOfTheReferenceOnEveryTarget) {
  auto all = normal_floats(1003, 8);
  all[10] = NAN;
  all[11] = INFINITY;
  all[12] = -0.0f;
  all[13] = 3e38f;
  all[1002] = -INFINITY;
  for (const auto& scale : {symmetric_scale(8, 3), symmetric_scale(2, 1), asymmetric_scale(4, {-1, 2.5f})}) {
    for (const auto rounding : kRoundings) {
      if (is_random(rounding)) continue;
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{9}, all.size()}) {
        const std::span<const float> values(all.data(), count);
        double expected = 0;
        for (const float x : values) {
          const float difference = round_to_integer(scale, rounding, x).value - x;
          if (std::isfinite(difference)) expected += static_cast<double>(difference) * difference;
        }
        on_every_target([&] {
          // The order of the additions depends on the target.
          EXPECT_NEAR(integer_squared_error(scale, rounding, values), expected, 1e-12 * expected)
              << to_string(rounding) << " of " << count;
        });
      }
    }
  }
}

TEST(Integers, MapEveryCodeToItself) {
  for (const int bits : {2, 4, 8, 16}) {
    const auto scale = symmetric_scale(bits, 0.7f);
    for (const auto rounding : {Rounding::nearest, Rounding::away}) {
      for (float code = scale.low; code <= scale.high; ++code) {
        const float value = code * scale.scale;
        ASSERT_EQ(round_to_integer(scale, rounding, value).value, value);
      }
    }
  }
}

TEST(Integers, ShareAScaleAsTheyAreTold) {
  // Two rows of 6 under blocks of 4: the row's end cuts the second block short.
  const std::vector<float> values = {1, 2, 3, 4, 10, 20, 0.1f, 0.2f, 0.3f, 0.4f, 100, 200};
  const auto by_groups = [&](std::vector<std::size_t> lengths) {
    std::vector<float> result;
    std::size_t begin = 0;
    for (const auto length : lengths) {
      const auto group = std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                            values.begin() + static_cast<std::ptrdiff_t>(begin + length));
      const auto rounded = symmetric_by_definition(4, group);
      result.insert(result.end(), rounded.begin(), rounded.end());
      begin += length;
    }
    return result;
  };
  const auto rounded = [&](const char* format) {
    auto copy = values;
    round_values(parse_format(format), copy, {.row = 6});
    return copy;
  };
  expect_same(rounded("int4"), by_groups({6, 6}));
  expect_same(rounded("int4,per=row"), by_groups({6, 6}));
  expect_same(rounded("int4,per=token"), by_groups({12}));
  expect_same(rounded("int4,per=tensor"), by_groups({12}));
  expect_same(rounded("int4,per=block,block=4"), by_groups({4, 2, 4, 2}));
  expect_same(rounded("int4,per=block,block=1000000"), by_groups({6, 6}));
}

TEST(Integers, InBlocksAreThoseOfTheDefinitionOnEveryTarget) {
  // Blocks of every kind: plain ones, zeros, with NaN or infinity, of subnormals, of the largest floats; ties.
  auto values = normal_floats(8192, 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= std::ldexp(1.0f, static_cast<int>(i / 64 % 60) - 30);
  std::fill_n(values.begin() + 1024, 64, 0.0f);
  std::fill_n(values.begin() + 1088, 64, -0.0f);
  values[2048] = std::numeric_limits<float>::quiet_NaN();
  values[2500] = -std::numeric_limits<float>::infinity();
  values[3000] = std::numeric_limits<float>::infinity();
  for (std::size_t i = 4096; i < 4160; ++i) values[i] = from_bits(static_cast<std::uint32_t>(i - 4090));
  for (std::size_t i = 5120; i < 5184; ++i) values[i] = (i % 2 == 0 ? 1.0f : -0.5f) * std::numeric_limits<float>::max();
  for (std::size_t i = 6144; i < 6400; ++i) values[i] = static_cast<float>(static_cast<int>(i % 64) - 31) / 2;
  const auto words = random_words_for_test(values.size(), 3);
  for (const int bits : {2, 4, 8, 16}) {
    for (const std::size_t block : {5u, 16u, 24u, 48u, 128u, 1024u}) {
      for (std::size_t r = 0; r < kRoundings.size(); ++r) {
        const auto rounding = kRoundings[r];
        for (const std::size_t count : {values.size(), values.size() - 5}) {
          const char* const variants[] = {"", ",codes=full", ",codes=full-positive", ",scale=f16",
                                          ",codes=full,scale=bf16"};
          auto format = parse_format(fmt::format("int{},per=block,block={}{}", bits, block,
                                                 variants[(r + block / 16 + count) % std::size(variants)]));
          format.rounding = rounding;
          const std::span<const float> part(values.data(), count);
          const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
          std::vector<float> expected(part.begin(), part.end());
          std::int64_t saturated = 0;
          for (std::size_t begin = 0; begin < count; begin += block) {
            const std::span group(expected.data() + begin, std::min(block, count - begin));
            saturated += round_integer_block(format, group, random == nullptr ? nullptr : random + begin);
          }
          ASSERT_TRUE(can_round_together(static_cast<std::int64_t>(block)));
          on_every_target([&] {
            std::vector<float> rounded(part.begin(), part.end());
            EXPECT_EQ(round_to_integer_blocks(format, rounded, random), saturated);
            expect_same(rounded, expected);
          });
        }
      }
    }
  }
  EXPECT_FALSE(can_round_together(2048));
}

TEST(Integers, HaveLongBlocksToo) {
  const auto values = normal_floats(10000, 3);
  auto rounded = values;
  round_values(parse_format("int4,per=block,block=3000"), rounded, {.row = 5000});
  for (const std::size_t begin : {0u, 3000u, 5000u, 8000u}) {
    const std::size_t length = begin % 5000 == 0 ? 3000 : 2000;
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto expected = symmetric_by_definition(4, {first, first + static_cast<std::ptrdiff_t>(length)});
    for (std::size_t i = 0; i < length; ++i) ASSERT_EQ(rounded[begin + i], expected[i]);
  }
}

TEST(Integers, NeverMakeAnInfinity) {
  const float largest = std::numeric_limits<float>::max();
  for (int bits = 2; bits <= 16; ++bits) {
    for (const char* mode : {"sym", "asym"}) {
      const auto format = parse_format("int" + std::to_string(bits) + ",mode=" + mode);
      on_every_target([&] {
        std::vector<float> values = {largest, -largest, 1, largest / 3};
        round_values(format, values);
        for (const float x : values) ASSERT_TRUE(std::isfinite(x)) << bits << " " << mode;
      });
    }
  }
}

TEST(Integers, SayWhatAScaleOfZeroLoses) {
  std::vector<float> values = {0, INFINITY, -0.0f, NAN, -INFINITY};
  EXPECT_EQ(round_values(parse_format("int8"), values), 2);
  EXPECT_EQ(bits_of(values[1]), 0u);
  EXPECT_EQ(bits_of(values[2]), 0u);
  EXPECT_TRUE(std::isnan(values[3]));
}

TEST(Range, IsOfTheFiniteValues) {
  on_every_target([] {
    auto values = normal_floats(1000, 4);
    values[500] = -17;
    values[501] = 19;
    EXPECT_EQ(range_of(values).low, -17);
    EXPECT_EQ(range_of(values).high, 19);
    values[3] = NAN;
    values[4] = INFINITY;
    values[999] = -INFINITY;
    EXPECT_EQ(range_of(values).low, -17);
    EXPECT_EQ(range_of(values).high, 19);
    EXPECT_EQ(range_of(values).absmax(), 19);
    EXPECT_EQ(range_of(std::vector<float>{2, 3}).low, 0);
    EXPECT_EQ(range_of({}).absmax(), 0);
  });
}

// numpy.percentile(abs(x), P) by its definition: linear between the two nearest ranks.
TEST(ScaleSearch, FindsThePercentileOfTheMagnitudes) {
  const auto values = normal_floats(1234, 5);
  std::vector<double> sorted;
  for (const float x : values) sorted.push_back(std::fabs(static_cast<double>(x)));
  std::sort(sorted.begin(), sorted.end());
  for (const double percent : {99.9, 99.0, 50.0, 100.0, 0.01}) {
    const double rank = percent / 100 * 1233;
    const auto below = static_cast<std::size_t>(rank);
    const double next = sorted[std::min<std::size_t>(below + 1, 1233)];
    const double expected = sorted[below] + (rank - static_cast<double>(below)) * (next - sorted[below]);
    auto format = parse_format("int8,range=percentile:50");
    format.range.percent = percent;
    EXPECT_EQ(scale_of(format, values).integer, symmetric_scale(8, static_cast<float>(expected))) << percent;
  }
}

TEST(ScaleSearch, TakesTheBestOfTheRangesItTries) {
  const auto values = normal_floats(2000, 6);
  for (const char* text : {"int4,range=mse", "int3,range=mse,mode=asym", "int4,range=mse,round=zero"}) {
    const auto format = parse_format(text);
    const int bits = format.element.bits();
    const auto range = range_of(values);
    double least = INFINITY;
    IntegerScale best;
    for (int percent = 100; percent >= 1; --percent) {
      const auto part = [&](float x) { return static_cast<float>(static_cast<double>(x) * percent / 100); };
      const ValueRange tried = {part(range.low), part(range.high)};
      const auto scale = format.asymmetric ? asymmetric_scale(bits, tried) : symmetric_scale(bits, tried.absmax());
      double error = 0;
      for (const float x : values) {
        const double difference = static_cast<double>(round_to_integer(scale, format.rounding, x).value) - x;
        error += difference * difference;
      }
      if (error < least) {
        least = error;
        best = scale;
      }
    }
    on_every_target([&] { EXPECT_EQ(scale_of(format, values).integer, best) << text; });
    auto plain = format;
    plain.range = {};
    EXPECT_LT(best.scale, scale_of(plain, values).integer.scale);
  }
}

TEST(ScaleSearch, TakesTheErrorsOfTheNearestUnderStochasticRounding) {
  const std::vector<float> values = {0.1f, 0.23f, 0.37f, 0.52f, -0.66f, 3};
  const auto scale = [&](const char* text) { return scale_of(parse_format(text), values).integer; };
  EXPECT_EQ(scale("int4,range=mse,round=stochastic"), scale("int4,range=mse"));
  EXPECT_NE(scale("int4,range=mse"), scale("int4,range=mse,round=zero"));
}

TEST(ScaleSearch, FindsTheSameFromPieces) {
  auto values = normal_floats(10007, 7);
  values[77] = NAN;
  values[78] = INFINITY;
  for (const char* text : {"int8,per=tensor", "int8,per=tensor,mode=asym", "int4,per=tensor,range=percentile:99.5",
                           "int4,per=tensor,range=percentile:100,mode=asym", "int4,per=tensor,range=mse", "nvfp4"}) {
    const auto format = parse_format(text);
    TensorScaleSearch search(format);
    for (int pass = 0; pass < search.passes(); ++pass) {
      std::vector<std::vector<double>> sums;
      for (std::size_t begin = 0; begin < values.size(); begin += 1000) {
        sums.push_back(
            search.look(std::span(values).subspan(begin, std::min<std::size_t>(1000, values.size() - begin))));
      }
      search.end_pass(sums);
    }
    EXPECT_EQ(search.scale().integer, scale_of(format, values).integer) << text;
    EXPECT_EQ(search.scale().outer, scale_of(format, values).outer) << text;
  }
}

}  // namespace
}  // namespace fakequant
