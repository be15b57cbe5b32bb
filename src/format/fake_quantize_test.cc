#include "format/fake_quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "error.h"
#include "format/integer_kernel.h"
#include "format/on_every_target.h"
#include "format/reference.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

TEST(FakeQuantize, ReportsWhatAPlainLoopFinds) {
  auto values = normal_floats(100001, 3, 2);
  values[5] = 0;
  values[6] = 1e-42f;
  values[7] = 500;
  for (const char* text : {"bf16", "e4m3", "e2m1", "int4", "mxfp4", "nvfp4", "bf16,round=stochastic,seed=3"}) {
    const auto format = parse_format(text);
    on_every_target([&] {
      auto rounded = values;
      const auto errors = fake_quantize(format, rounded);
      RoundingErrors expected;
      double rounded2 = 0, product = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double x = values[i], y = rounded[i], e = std::fabs(y - x);
        expected.changed += x != y;
        expected.flushed += x != 0 && y == 0;
        expected.absmax = std::max(expected.absmax, std::fabs(x));
        expected.max_abs = std::max(expected.max_abs, e);
        if (x != 0) expected.max_rel = std::max(expected.max_rel, e / std::fabs(x));
        expected.sum_abs += e;
        expected.sum_error2 += e * e;
        expected.sum_signal2 += x * x;
        rounded2 += y * y;
        product += x * y;
      }
      EXPECT_EQ(errors.elements, 100001);
      EXPECT_EQ(errors.changed, expected.changed) << text;
      EXPECT_EQ(errors.flushed, expected.flushed) << text;
      EXPECT_EQ(errors.absmax, expected.absmax);
      EXPECT_NEAR(errors.max_abs, expected.max_abs, 1e-7 * expected.max_abs);
      EXPECT_NEAR(errors.max_rel, expected.max_rel, 1e-7);
      EXPECT_NEAR(errors.sum_abs, expected.sum_abs, 1e-8 * expected.sum_abs) << text;
      EXPECT_NEAR(errors.sum_error2, expected.sum_error2, 1e-8 * expected.sum_error2) << text;
      EXPECT_NEAR(errors.sum_signal2, expected.sum_signal2, 1e-9 * expected.sum_signal2);
      EXPECT_NEAR(errors.cosine(), product / std::sqrt(expected.sum_signal2 * rounded2), 1e-9) << text;
    });
  }
}

TEST(FakeQuantize, RoundsAlikeWithAndWithoutFigures) {
  const auto values = normal_floats(9999, 4);
  for (const char* text : {"f16", "e5m2", "int8", "int4,per=block,block=48", "mxfp8", "nvfp4", "int8,round=stochastic",
                           "mxfp4,round=stochastic"}) {
    auto plain = values, counted = values;
    const auto saturated = round_values(parse_format(text), plain, {.row = 1111});
    EXPECT_EQ(fake_quantize(parse_format(text), counted, {.row = 1111}).saturated, saturated);
    EXPECT_EQ(plain, counted) << text;
  }
}

TEST(FakeQuantize, CountsWhatSaturatesAndWhatIsNotFinite) {
  on_every_target([] {
    std::vector<float> values = {NAN, INFINITY, -INFINITY, std::numeric_limits<float>::max(), 1.001f};
    const auto errors = fake_quantize(parse_format("bf16"), values);
    EXPECT_EQ(errors.elements, 5);
    EXPECT_EQ(errors.changed, 2);    // the largest float and 1.001
    EXPECT_EQ(errors.saturated, 1);  // the largest float, which became infinity
    EXPECT_EQ(errors.absmax, static_cast<double>(std::numeric_limits<float>::max()));
    EXPECT_EQ(errors.not_finite, 1);  // no figure hides it
    EXPECT_EQ(errors.max_abs, INFINITY);
    EXPECT_EQ(errors.max_rel, INFINITY);
    EXPECT_EQ(errors.rmse(), INFINITY);
    EXPECT_EQ(errors.sqnr_db(), -INFINITY);
    EXPECT_EQ(errors.cosine(), 0);

    values = {NAN, INFINITY, -INFINITY, 465, 463, 1e-9f};
    const auto e4m3 = fake_quantize(parse_format("e4m3"), values);
    EXPECT_EQ(e4m3.saturated, 3);  // 463 rounds to 448, which is no saturation
    EXPECT_EQ(e4m3.flushed, 1);
    EXPECT_EQ(values[1], 448);
    EXPECT_EQ(values[4], 448);
  });
}

// The result must not depend on which threads round, nor on how the values are divided.
TEST(FakeQuantize, GivesTheSameForPiecesAsForTheWhole) {
  const auto values = normal_floats(64 * 300, 5);
  for (const char* text :
       {"bf16,round=stochastic,seed=9", "e4m3,round=stochastic", "int4,round=stochastic", "mxfp4,round=stochastic",
        "int8,per=block,block=24", "int8,per=tensor", "nvfp4,round=stochastic"}) {
    const auto format = parse_format(text);
    Placement placement{.row = 64, .random = {random_key(format.seed, "w"), 0}};
    if (shares_scale_across_tensor(format)) placement.scale = scale_of(format, values);
    auto whole = values;
    fake_quantize(format, whole, placement);
    auto pieces = values;
    for (std::size_t begin = 0; begin < values.size(); begin += 64 * 7) {
      placement.first = begin;
      fake_quantize(format, std::span(pieces).subspan(begin, std::min<std::size_t>(64 * 7, values.size() - begin)),
                    placement);
    }
    EXPECT_EQ(whole, pieces) << text;
  }
}

const char* const kStaticFormats[] = {"int8",
                                      "int4,mode=asym",
                                      "int2,round=zero",
                                      "int16,round=stochastic,seed=3",
                                      "int8,mode=asym,round=stochastic",
                                      "nvfp4",
                                      "nvfp4,round=stochastic"};

// The format with a scale of all its values, and with a static range.
std::pair<Format, Format> found_and_static(const std::string& text) {
  auto found = parse_format(text);
  if (found.outer_scale == ScaleType::none) found.per = Span::tensor;
  return {found, parse_format(text + ",range=static:r.json")};
}

// Under the range that its values have, a static scale is theirs, however many rows are given at once.
TEST(FakeQuantize, RoundsByAStaticRangeAsByTheSameRangeFound) {
  const auto values = normal_floats(80 * 300, 6);
  for (const std::string text : kStaticFormats) {
    const auto [found, fixed] = found_and_static(text);
    const RandomStream random = {random_key(found.seed, "site"), 5};
    auto expected = values;
    const auto expected_errors = fake_quantize(found, expected, {.row = 80, .random = random});
    for (const std::size_t rows : {1, 7, 300}) {
      auto pieces = values;
      RoundingErrors errors;
      Placement placement{.row = 80, .scale = static_scale(fixed, range_of(values)), .random = random};
      for (std::size_t begin = 0; begin < values.size(); begin += 80 * rows) {
        placement.first = begin;
        errors.add(fake_quantize(fixed, std::span(pieces).subspan(begin, std::min(80 * rows, values.size() - begin)),
                                 placement));
      }
      EXPECT_EQ(pieces, expected) << text;
      EXPECT_EQ(errors.saturated, expected_errors.saturated) << text;
    }
  }
}

TEST(FakeQuantize, SaturatesBeyondAStaticRange) {
  on_every_target([] {
    for (const std::string text : kStaticFormats) {
      const auto fixed = found_and_static(text).second;
      const Placement placement{.scale = static_scale(fixed, {-1, 1})};
      std::vector<float> values(48, 0.25f);
      const float beyond[] = {3, -3, 1e30f, std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()};
      std::copy(std::begin(beyond), std::end(beyond), values.begin() + 16);
      const auto errors = fake_quantize(fixed, values, placement);
      EXPECT_EQ(errors.saturated, 5) << text;
      EXPECT_EQ(errors.absmax, static_cast<double>(std::numeric_limits<float>::max()));
      // The zero point is a code, so the range of the codes may be shifted by half a step.
      for (const float x : values) EXPECT_LE(std::fabs(x), 1 + 1.01f / 15) << text;
    }
  });
}

TEST(FakeQuantize, MakesAllZeroUnderAStaticRangeOfZero) {
  on_every_target([] {
    for (const std::string text : kStaticFormats) {
      const auto fixed = found_and_static(text).second;
      std::vector<float> values = {0, 1, -2, INFINITY, NAN, 1e-45f, -0.0f};
      const auto errors = fake_quantize(fixed, values, {.scale = static_scale(fixed, {})});
      EXPECT_EQ(errors.saturated, 4) << text;
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(i == 4 ? std::isnan(values[i]) : values[i] == 0);
    }
  });
}

TEST(FakeQuantize, RefusesAStaticRangeThatIsNotGiven) {
  std::vector<float> values = {1};
  EXPECT_THROW(round_values(parse_format("int8,range=static:r.json"), values), Error);
  EXPECT_THROW(round_values(parse_format("nvfp4,range=static:r.json"), values), Error);
  EXPECT_THROW(TensorScaleSearch(parse_format("int8,range=static:r.json")), Error);
}

TEST(FakeQuantize, IsDifferentForEachSeedAndUnbiased) {
  const std::vector<float> values(100000, 1.1f);
  auto first = values, second = values;
  const auto rounded = [](std::vector<float>& copy, const char* text) {
    const auto format = parse_format(text);
    fake_quantize(format, copy, {.random = {random_key(format.seed, "w"), 0}});
  };
  rounded(first, "e2m1,round=stochastic,seed=1");
  rounded(second, "e2m1,round=stochastic,seed=2");
  EXPECT_NE(first, second);
  double sum = 0;
  for (const float x : first) sum += x;
  EXPECT_NEAR(sum / 100000, 1.1, 5 * 0.2 / std::sqrt(100000));  // 1 or 1.5, the latter one time in five
}

TEST(RoundingErrors, HaveNoNoiseWhereNothingChanged) {
  std::vector<float> values = {1.0f, 0.5f};
  const auto errors = fake_quantize(parse_format("bf16"), values);
  EXPECT_EQ(errors.changed, 0);
  EXPECT_TRUE(std::isinf(errors.sqnr_db()));
  EXPECT_EQ(errors.cosine(), 1);
  EXPECT_EQ(RoundingErrors{}.mean_abs(), 0);
  std::vector<float> lost = {1e-20f, -1e-20f};
  EXPECT_EQ(fake_quantize(parse_format("e4m3"), lost).cosine(), 0);
  std::vector<float> none;
  EXPECT_EQ(fake_quantize(parse_format("int8"), none).elements, 0);
}

}  // namespace
}  // namespace fakequant
