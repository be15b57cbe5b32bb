#include "engine/integer_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/integer_codes.h"
#include "error.h"
#include "format/fake_quantize.h"
#include "format/format.h"
#include "format/on_every_target.h"

namespace fakequant {
namespace {

// The value that N bits keep of an exact sum.
std::int64_t kept(std::int64_t sum, const IntegerAccumulator& accumulator) {
  const auto half = std::int64_t{1} << (accumulator.bits - 1);
  if (!accumulator.wraps) return std::clamp(sum, -half, half - 1);
  return ((sum + half) % (2 * half) + 2 * half) % (2 * half) - half;
}

// Codes and steps of both factors, of which the values are made.
struct Codes {
  std::int64_t inputs, outputs, length, part;
  std::vector<std::int32_t> input_codes, factor_codes;
  std::vector<float> input_steps, factor_steps;

  Codes(std::int64_t of_inputs, std::int64_t of_outputs, std::int64_t of_length, std::int64_t of_part, int largest)
      : inputs(of_inputs), outputs(of_outputs), length(of_length), part(of_part) {
    std::mt19937 random(7);
    std::uniform_int_distribution<std::int32_t> code(-largest, largest);
    std::uniform_real_distribution<float> step(0.01F, 2);
    const auto fill = [&](std::int64_t rows, std::vector<std::int32_t>& codes, std::vector<float>& steps) {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t k = 0; k < length; ++k) {
          // The largest code and 1 are in each part, as they are in rows that a scale of their own fits.
          codes.push_back(k % part == 0 ? largest : k % part == 1 ? 1 : code(random));
        }
        for (std::int64_t p = 0; p < parts(); ++p) steps.push_back(step(random));
      }
    };
    fill(inputs, input_codes, input_steps);
    fill(outputs, factor_codes, factor_steps);
  }

  std::int64_t parts() const { return (length + part - 1) / part; }

  std::vector<float> values(const std::vector<std::int32_t>& codes, const std::vector<float>& steps) const {
    std::vector<float> values;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / length, k = static_cast<std::int64_t>(i) % length;
      values.push_back(static_cast<float>(codes[i]) * steps[static_cast<std::size_t>(row * parts() + k / part)]);
    }
    return values;
  }

  std::vector<float> multiplied(const IntegerAccumulator& accumulator, int threads) const {
    const auto left = values(input_codes, input_steps), right = values(factor_codes, factor_steps);
    std::vector<float> results(static_cast<std::size_t>(inputs * outputs), std::nanf(""));
    MatrixProduct product;
    for (std::int64_t i = 0; i < inputs; ++i) {
      product.inputs.push_back(left.data() + i * length);
      product.results.push_back(results.data() + i * outputs);
    }
    product.factor = [&](std::int64_t row, std::int64_t, float*) -> FactorRows {
      return {right.data() + row * length, length};
    };
    multiply_integers({product}, length, outputs, accumulator, threads);
    return results;
  }

  // The definition in integer_product.h, under the steps that are found.
  float expected(const IntegerAccumulator& accumulator, std::int64_t input, std::int64_t output) const {
    const auto left = values(input_codes, input_steps), right = values(factor_codes, factor_steps);
    float total = 0;
    for (std::int64_t begin = 0; begin < length; begin += part) {
      const auto count = static_cast<std::size_t>(std::min(part, length - begin));
      std::vector<std::int32_t> a(count), b(count);
      const auto a_step = find_codes({left.data() + input * length + begin, count}, a),
                 b_step = find_codes({right.data() + output * length + begin, count}, b);
      std::int64_t sum = 0;
      for (std::size_t k = 0; k < count; ++k) sum = kept(sum + std::int64_t{a[k]} * b[k], accumulator);
      total += static_cast<float>(sum) * (*a_step * *b_step);
    }
    return total;
  }
};

TEST(IntegerCodes, AreThoseThatValuesWereMadeOf) {
  const Codes codes(5, 3, 96, 32, 127);
  const auto values = codes.values(codes.input_codes, codes.input_steps);
  for (std::size_t begin = 0; begin < values.size(); begin += 32) {
    std::vector<std::int32_t> found(32);
    const auto step = find_codes({values.data() + begin, 32}, found);
    ASSERT_TRUE(step);
    EXPECT_NEAR(*step, codes.input_steps[begin / 32], 1e-6 * *step);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), codes.input_codes.begin() + static_cast<std::ptrdiff_t>(begin)));
  }
}

TEST(IntegerCodes, OfRoundedValuesGiveTheValuesBack) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  for (const std::string& text : std::vector<std::string>{"int8", "int4", "int8,codes=full", "int6,mode=asym", "int12",
                                                          "int4,scale=f16", "mxint8"}) {
    std::vector<float> values(64);
    for (auto& value : values) value = normal(random);
    std::vector<float> rounded = values;
    fake_quantize(parse_format(text), rounded, {.row = 64});
    const auto part = text == "mxint8" ? 32U : 64U;
    for (std::size_t begin = 0; begin < rounded.size(); begin += part) {
      std::vector<std::int32_t> codes(part);
      const auto step = find_codes({rounded.data() + begin, part}, codes);
      ASSERT_TRUE(step) << text;
      for (std::size_t i = 0; i < part; ++i) {
        EXPECT_NEAR(static_cast<float>(codes[i]) * *step, rounded[begin + i], 1e-6) << text;
      }
    }
  }
}

TEST(IntegerCodes, AreNoneForValuesThatAreNoIntegers) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  for (const std::size_t count : {32, 576}) {
    std::vector<float> values(count);
    for (auto& value : values) value = normal(random);
    std::vector<std::int32_t> codes(count);
    EXPECT_FALSE(find_codes(values, codes)) << count;
    values.assign(count, 1);
    values[1] = std::numeric_limits<float>::infinity();
    EXPECT_FALSE(find_codes(values, codes));
    values.assign(count, 0);
    EXPECT_EQ(find_codes(values, codes), 0.0F);
  }
}

TEST(IntegerProduct, IsTheReferenceBitForBitOnEveryTarget) {
  for (const auto& codes : {Codes(3, 37, 320, 320, 127), Codes(5, 16, 100, 32, 7), Codes(2, 9, 640, 640, 2000)}) {
    for (const int bits : {8, 16, 20, 24, 31, 32}) {
      for (const bool wraps : {false, true}) {
        const IntegerAccumulator accumulator{bits, wraps, codes.part == codes.length ? 0 : codes.part};
        std::vector<float> expected;
        for (std::int64_t i = 0; i < codes.inputs; ++i) {
          for (std::int64_t o = 0; o < codes.outputs; ++o) expected.push_back(codes.expected(accumulator, i, o));
        }
        on_every_target([&] { ASSERT_EQ(codes.multiplied(accumulator, 2), expected) << bits << " " << wraps; });
      }
    }
  }
}

TEST(IntegerProduct, SaturatesOrWrapsAtEachAddition) {
  Codes codes(1, 1, 6, 6, 127);
  codes.input_codes = {127, 127, 127, 1, -127, -127};
  codes.factor_codes = {127, 127, 127, 1, 127, 127};
  codes.input_steps = codes.factor_steps = {1};
  EXPECT_EQ(codes.multiplied({32, false, 0}, 1)[0], 16130);
  EXPECT_EQ(codes.multiplied({16, false, 0}, 1)[0], 509);   // 32767 after three products
  EXPECT_EQ(codes.multiplied({16, true, 0}, 1)[0], 16130);  // wrapping forgives what comes back
  EXPECT_EQ(codes.multiplied({8, false, 0}, 1)[0], -128);
}

TEST(IntegerProduct, RefusesValuesThatAreNoIntegers) {
  Codes codes(2, 2, 64, 64, 127);
  codes.input_steps[1] = std::nanf("");
  EXPECT_THROW(codes.multiplied({32, false, 0}, 1), Error);
}

}  // namespace
}  // namespace fakequant
