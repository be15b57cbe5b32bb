// MX and NVFP4 against their definitions, written here from the specifications alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "format/block_kernel.h"
#include "format/fake_quantize.h"
#include "format/integer_kernel.h"
#include "format/on_every_target.h"
#include "format/scale.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

// The magnitudes of the element formats, and the exponent of the largest: OCP MX v1.0, tables 1 to 5; for FP8, OCP OFP8
// v1.0. By counting: field 0 is subnormal.
struct ElementType {
  std::vector<double> magnitudes;
  int largest_exponent;
};

ElementType listed(int exponent_bits, int mantissa_bits, double largest) {
  ElementType type;
  const int bias = (1 << (exponent_bits - 1)) - 1, steps = 1 << mantissa_bits;
  for (int field = 0; field < 1 << exponent_bits; ++field) {
    for (int mantissa = 0; mantissa < steps; ++mantissa) {
      const double significand = static_cast<double>(mantissa) / steps + (field == 0 ? 0 : 1);
      const double value = std::ldexp(significand, std::max(field, 1) - bias);
      if (value <= largest) type.magnitudes.push_back(value);
    }
  }
  type.largest_exponent = static_cast<int>(std::floor(std::log2(largest)));
  return type;
}

ElementType element_type(const std::string& name) {
  if (name == "mxfp8") return listed(4, 3, 448);
  if (name == "mxfp8e5m2") return listed(5, 2, 57344);
  if (name == "mxfp6") return listed(3, 2, 28);
  if (name == "mxfp6e2m3") return listed(2, 3, 7.5);
  if (name == "mxfp4") return {{0, 0.5, 1, 1.5, 2, 3, 4, 6}, 2};
  ElementType int8;
  for (int i = 0; i <= 127; ++i) int8.magnitudes.push_back(i / 64.0);
  int8.largest_exponent = 0;
  return int8;
}

// The nearest in the list, of two equally near the even one; the last for magnitudes beyond it.
double nearest_in(const std::vector<double>& magnitudes, double magnitude) {
  if (magnitude >= magnitudes.back()) return magnitudes.back();
  std::size_t best = 0;
  for (std::size_t i = 0; i < magnitudes.size(); ++i) {
    const double distance = std::fabs(magnitudes[i] - magnitude), least = std::fabs(magnitudes[best] - magnitude);
    if (distance < least || (distance == least && i % 2 == 0)) best = i;
  }
  return magnitudes[best];
}

double truncated_in(const std::vector<double>& magnitudes, double magnitude) {
  return *(std::upper_bound(magnitudes.begin(), magnitudes.end(), magnitude) - 1);
}

// OCP MX v1.0, 6.3: shared exponent = floor(log2(absmax)) - emax, E8M0 holds -127 to 127; elements are rounded and
// saturate. NaN, infinity and the other rules for the exponent are as docs/formats.md says.
std::vector<float> mx_by_definition(const std::string& name, const std::string& scale, bool truncate,
                                    const std::vector<float>& row) {
  const auto type = element_type(name);
  std::vector<float> result;
  for (std::size_t begin = 0; begin < row.size(); begin += 32) {
    const std::size_t end = std::min(row.size(), begin + 32);
    double absmax = 0;
    bool nan = false;
    for (std::size_t i = begin; i < end; ++i) {
      nan = nan || std::isnan(row[i]);
      absmax = std::max(absmax, std::fabs(static_cast<double>(row[i])));
    }
    // log2 of a float is never half a whole number, and double tells it from one.
    const double logarithm = std::log2(absmax);
    double exponent = scale == "ceil" ? std::ceil(logarithm) : scale == "nearest" ? std::round(logarithm) : 0;
    if (scale == "floor") exponent = absmax > 0 ? std::ilogb(absmax) : 0;
    if (scale == "rceil") {  // the smallest power of two under which absmax is no larger than the largest
      exponent = absmax > 0 ? std::ilogb(absmax) : 0;
      if (absmax / std::exp2(exponent - type.largest_exponent) > type.magnitudes.back()) ++exponent;
    }
    if (scale ==
        "even") {  // the exponent of absmax rounded as the magnitudes below the largest power of two are spaced
      exponent = absmax > 0 ? std::ilogb(absmax) : 0;
      const double step = type.magnitudes.back() - type.magnitudes[type.magnitudes.size() - 2];
      const double rounded = std::floor(absmax / std::exp2(exponent - type.largest_exponent) / step + 0.5) * step;
      if (rounded >= std::exp2(type.largest_exponent + 1)) ++exponent;
    }
    const double shared = std::isinf(absmax) ? 127 : std::clamp(exponent - type.largest_exponent, -127.0, 127.0);
    for (std::size_t i = begin; i < end; ++i) {
      const double scaled = std::fabs(static_cast<double>(row[i])) / std::exp2(shared);
      const double element = truncate ? truncated_in(type.magnitudes, scaled) : nearest_in(type.magnitudes, scaled);
      float value = static_cast<float>(std::copysign(element * std::exp2(shared), row[i]));
      if (value == 0 && name == "mxint8") value = 0;  // two's complement has no -0
      result.push_back(nan ? NAN : absmax == 0 ? (name == "mxint8" ? 0.0f : row[i]) : value);
    }
  }
  return result;
}

// Rows with hard values, of lengths that cut the last block short.
std::vector<std::vector<float>> hard_rows() {
  std::vector<std::vector<float>> rows;
  const auto add = [&](std::vector<float> row) { rows.push_back(std::move(row)); };
  for (const float deviation : {1.0f, 1e-3f, 1e4f, 1e-38f, 1e-40f, 3e37f, 1e-30f})
    add(normal_floats(32 * 9 + 5, 1, deviation));
  add(std::vector<float>(70, 0.0f));
  add(std::vector<float>(70, -0.0f));
  for (const float special : {NAN, INFINITY, -INFINITY, 3.4028235e38f, 1e-45f, 0x1p-126f, 0x1p127f}) {
    for (const std::size_t at : {std::size_t{3}, std::size_t{66}}) {
      auto row = normal_floats(70, 2);
      row[at] = special;
      add(row);
      std::vector<float> alone(70, 0.0f);
      alone[at] = special;
      add(alone);
    }
  }
  auto mixed = normal_floats(64, 3);
  mixed[1] = NAN;
  mixed[2] = INFINITY;
  mixed[40] = 1e-42f;
  add(mixed);
  for (const std::size_t length : {1u, 31u, 32u, 33u, 15u, 16u, 17u}) add(normal_floats(length, 4));
  // The midpoints of every element under a scale of 1, and powers of two and their neighbours as the largest.
  for (const float largest :
       {6.0f, 448.0f, 28.0f, 7.5f, 57344.0f, 1.984375f, 4.0f, 3.9999998f, 2.0f, 1.4142135f, 1.4142137f}) {
    std::vector<float> row;
    for (int i = 0; i < 32; ++i)
      row.push_back(static_cast<float>(i % 2 == 0 ? 1 : -1) * largest * static_cast<float>(i) / 32);
    row.push_back(largest);
    row.insert(row.begin(), largest);
    add(row);
    std::vector<float> ties = {largest, 0.25f, 0.75f,   -1.25f,    1.75f,   2.5f,
                               -3.5f,   5,     0.0625f, -0.03125f, 1.0625f, 1.1875f};
    add(ties);
  }
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    auto row = random_floats(96, seed);
    add(row);
    std::replace_if(
        row.begin(), row.end(), [](float x) { return !std::isfinite(x); }, 1.0f);
    add(row);
  }
  return rows;
}

TEST(MxBlocks, AreWhatTheSpecificationDefines) {
  const auto rows = hard_rows();
  for (const std::string name : {"mxfp8", "mxfp8e5m2", "mxfp6", "mxfp6e2m3", "mxfp4", "mxint8"}) {
    for (const std::string scale : {"floor", "ceil", "nearest", "rceil", "even"}) {
      for (const bool truncate : {false, true}) {
        const auto format = parse_format(name + ",scale=" + scale + (truncate ? ",round=zero" : ""));
        for (const auto& row : rows) {
          const auto expected = mx_by_definition(name, scale, truncate, row);
          on_every_target([&] {
            auto rounded = row;
            round_values(format, rounded);
            for (std::size_t i = 0; i < row.size(); ++i) {
              ASSERT_TRUE(same(rounded[i], expected[i])) << to_string(format) << ": " << row[i] << " at " << i << " is "
                                                         << rounded[i] << ", not " << expected[i];
            }
          });
        }
      }
    }
  }
}

// Every rounding and every rule of the scale, on every target, as the reference of one block has it.
TEST(MxBlocks, EqualTheReferenceOnEveryTarget) {
  const auto rows = hard_rows();
  for (const std::string name : {"mxfp8", "mxfp8e5m2", "mxfp6", "mxfp6e2m3", "mxfp4", "mxint8", "mx9", "mx6", "mx4",
                                 "mxfp4,subblock=8", "mx6,subblock=1", "mxfp8,subblock=16"}) {
    for (std::size_t r = 0; r < kRoundings.size() * kScaleRuleWords.size(); ++r) {
      auto format = parse_format(name);
      const auto rounding = format.rounding = kRoundings[r % kRoundings.size()];
      format.scale.rule = kScaleRuleWords[r / kRoundings.size()].value;
      format.block = std::vector<std::int64_t>{32, 32, 16, 48}[r % 4];
      const auto block = static_cast<std::size_t>(format.block);
      for (const auto& row : rows) {
        const auto words = random_words_for_test(row.size(), 5);
        const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
        auto expected = row;
        std::int64_t saturated = 0;
        for (std::size_t i = 0; i < row.size(); i += block) {
          saturated += round_mx_block(format, std::span(expected).subspan(i, std::min(block, row.size() - i)),
                                      random == nullptr ? nullptr : random + i);
        }
        on_every_target([&] {
          auto rounded = row;
          ASSERT_EQ(round_to_mx(format, rounded, random), saturated);
          for (std::size_t i = 0; i < row.size(); ++i) ASSERT_TRUE(same(rounded[i], expected[i]));
        });
      }
    }
  }
}

// Rouhani et al. (ISCA 2023), figure 5: the exponent of 16 values is that of their absmax; a pair has one less if both
// its values have. Under it, a value is a sign and a fraction of so many bits, the first before the point. No -0 here.
TEST(Microexponents, AreWhatThePaperDefines) {
  const std::map<std::string, int> fraction_bits = {{"mx9", 7}, {"mx6", 4}, {"mx4", 2}};
  for (const auto& [name, bits] : fraction_bits) {
    for (auto row : hard_rows()) {
      for (auto& x : row) x = std::isfinite(x) && std::fabs(x) >= 0x1p-100f ? x : 0;
      std::vector<float> expected;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const auto exponent_of = [&](std::size_t begin, std::size_t count) {
          int largest = -1000;
          for (std::size_t k = begin; k < std::min(begin + count, row.size()); ++k) {
            if (row[k] != 0) largest = std::max(largest, std::ilogb(row[k]));
          }
          return largest;
        };
        const int shared = exponent_of(i / 16 * 16, 16), of_pair = exponent_of(i / 2 * 2, 2);
        const int exponent = of_pair < shared ? shared - 1 : shared;
        const double step = std::ldexp(1.0, exponent - (bits - 1));
        const double largest = std::ldexp(1.0, bits) - 1;
        const double code = std::clamp(std::nearbyint(static_cast<double>(row[i]) / step), -largest, largest);
        expected.push_back(static_cast<float>(code * step) + 0.0f);
      }
      auto rounded = row;
      round_values(parse_format(name), rounded, {.row = static_cast<std::int64_t>(row.size())});
      for (std::size_t i = 0; i < row.size(); ++i) {
        ASSERT_TRUE(same(rounded[i], expected[i]))
            << name << ": " << row[i] << " became " << rounded[i] << ", not " << expected[i];
      }
    }
  }
}

// outer = absmax / (6 x 448); a block's scale = e4m3(absmax of the block / 6 / outer); element = e2m1(x / (scale x
// outer)); all in float32. Of finite values: NaN stays, infinity saturates.
std::vector<float> nvfp4_by_definition(const std::vector<float>& row) {
  const auto e4m3 = listed(4, 3, 448).magnitudes;
  const std::vector<double> e2m1 = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const auto absmax_of = [&](std::size_t begin, std::size_t end) {
    float absmax = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isfinite(row[i])) absmax = std::max(absmax, std::fabs(row[i]));
    }
    return absmax;
  };
  const float outer = absmax_of(0, row.size()) / (6.0f * 448.0f);
  std::vector<float> result = row;
  for (std::size_t begin = 0; begin < row.size(); begin += 16) {
    const std::size_t end = std::min(row.size(), begin + 16);
    const float block = absmax_of(begin, end);
    const float scale = outer == 0 ? 0.0f : static_cast<float>(nearest_in(e4m3, block / 6.0f / outer)) * outer;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isnan(row[i])) continue;
      const auto element = scale == 0 ? 0.0f : static_cast<float>(nearest_in(e2m1, std::fabs(row[i] / scale)));
      result[i] = std::copysign(element * scale, row[i]);
    }
  }
  return result;
}

TEST(Nvfp4Blocks, AreWhatTheirDefinitionSays) {
  for (const auto& row : hard_rows()) {
    const auto expected = nvfp4_by_definition(row);
    on_every_target([&] {
      auto rounded = row;
      round_values(parse_format("nvfp4"), rounded);
      for (std::size_t i = 0; i < row.size(); ++i) {
        ASSERT_TRUE(same(rounded[i], expected[i]))
            << row[i] << " at " << i << " is " << rounded[i] << ", not " << expected[i];
      }
    });
  }
}

// The outer scale may be that of other values; any value may then be beyond its reach.
TEST(Nvfp4Blocks, EqualTheReferenceOnEveryTarget) {
  const auto rows = hard_rows();
  for (const auto rounding : kRoundings) {
    for (std::size_t r = 0; r < rows.size() * 5; ++r) {
      const auto& row = rows[r % rows.size()];
      const float absmax[] = {range_of(row).absmax(), 1.0f, 1e-25f, 1e25f, 0.0f};
      auto format = parse_format("nvfp4");
      format.rounding = rounding;
      const float outer = outer_scale(format, absmax[r / rows.size()]);
      const auto words = random_words_for_test(row.size(), 6);
      const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
      auto expected = row;
      std::int64_t saturated = 0;
      for (std::size_t i = 0; i < row.size(); i += 16) {
        saturated +=
            round_scaled_block(format, outer, std::span(expected).subspan(i, std::min<std::size_t>(16, row.size() - i)),
                               random == nullptr ? nullptr : random + i);
      }
      on_every_target([&] {
        auto rounded = row;
        ASSERT_EQ(round_to_scaled_blocks(format, outer, rounded, random), saturated) << to_string(rounding);
        for (std::size_t i = 0; i < row.size(); ++i) ASSERT_TRUE(same(rounded[i], expected[i])) << to_string(rounding);
      });
    }
  }
}

}  // namespace
}  // namespace fakequant
