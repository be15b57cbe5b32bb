#include "engine/accumulated_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine/normal_values.h"
#include "format/element_kernel.h"
#include "format/on_every_target.h"
#include "format/reference.h"

namespace fakequant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The definition in accumulated_product.h.
float accumulated_sum(const float* input, std::int64_t step, const float* factor, std::int64_t length,
                      const FloatAccumulator& accumulator) {
  const auto element = element_of(accumulator);
  float sum = 0;
  for (std::int64_t k = 0; k < length; ++k) {
    sum = std::fma(input[k * step], factor[k], sum);
    const bool is_due = (k + 1) % accumulator.every == 0 || k + 1 == length;
    if (is_due) sum = round_reference(element, Rounding::nearest, false, sum).value;
  }
  return sum;
}

// The bits; those of one NaN for all.
std::uint32_t bits_of(float value) { return std::isnan(value) ? 0x7FC00000u : std::bit_cast<std::uint32_t>(value); }

struct Factors {
  std::int64_t length, outputs, step;
  std::vector<float> inputs, factor;

  Factors(std::int64_t count, std::int64_t of_length, std::int64_t of_outputs, std::int64_t of_step = 1)
      : length(of_length),
        outputs(of_outputs),
        step(of_step),
        inputs(normal_values(count * of_length * of_step, 1)),
        factor(normal_values(of_outputs * of_length, 2)) {}

  std::int64_t count() const { return static_cast<std::int64_t>(inputs.size()) / (length * step); }

  // The product of so many inputs from the first on.
  std::vector<float> multiplied(const FloatAccumulator& accumulator, int threads, std::int64_t first = 0,
                                std::int64_t together = -1) const {
    if (together < 0) together = count();
    std::vector<float> results(static_cast<std::size_t>(together * outputs), std::nanf(""));
    MatrixProduct product;
    product.input_step = step;
    for (std::int64_t i = 0; i < together; ++i) {
      product.inputs.push_back(inputs.data() + (first + i) * length * step);
      product.results.push_back(results.data() + i * outputs);
    }
    product.factor = [&](std::int64_t row, std::int64_t, float*) -> FactorRows {
      return {factor.data() + row * length, length};
    };
    multiply_accumulated({product}, length, outputs, accumulator, threads);
    return results;
  }

  void expect_reference(const FloatAccumulator& accumulator) const {
    const auto results = multiplied(accumulator, 1);
    for (std::int64_t i = 0; i < count(); ++i) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        const auto expected =
            accumulated_sum(inputs.data() + i * length * step, step, factor.data() + o * length, length, accumulator);
        ASSERT_EQ(bits_of(results[static_cast<std::size_t>(i * outputs + o)]), bits_of(expected))
            << i << " " << o << " " << expected;
      }
    }
  }
};

const std::vector<FloatAccumulator> kAccumulators = {{8, 13, 32}, {8, 13, 1}, {5, 10, 1}, {8, 7, 4}, {8, 22, 1},
                                                     {8, 1, 7},   {7, 20, 5}, {4, 3, 3},  {2, 1, 2}, {5, 10, 4096}};

TEST(AccumulatedProduct, IsTheReferenceBitForBitOnEveryTarget) {
  for (const auto& factors :
       {Factors(1, 64, 32), Factors(13, 300, 31), Factors(6, 1, 1), Factors(9, 1025, 77), Factors(7, 100, 40, 3)}) {
    on_every_target([&] {
      for (const auto& accumulator : kAccumulators) {
        SCOPED_TRACE(options_of(accumulator)[0].value);
        factors.expect_reference(accumulator);
      }
    });
  }
}

TEST(AccumulatedProduct, OverflowsToInfinityAndKeepsNan) {
  Factors factors(5, 64, 40);
  for (std::size_t i = 0; i < factors.inputs.size(); i += 7) factors.inputs[i] *= 3e4f;  // overflows f16's range
  factors.inputs[10] = kInfinity;
  factors.inputs[64 + 20] = -kInfinity;
  factors.inputs[64 + 21] = kInfinity;
  factors.inputs[2 * 64 + 5] = std::bit_cast<float>(0x7FFFFFFFu);
  factors.inputs[3 * 64 + 5] = std::bit_cast<float>(0xFF800001u);
  factors.inputs[4 * 64 + 1] = 3e38f;
  factors.factor[40] = 0;
  on_every_target([&] {
    for (const auto& accumulator : kAccumulators) factors.expect_reference(accumulator);
  });
  Factors large(1, 4, 1);
  large.inputs = {300, 300, 300, -300};
  large.factor = {200, 200, 200, 200};
  EXPECT_EQ(large.multiplied({5, 10, 1}, 1)[0], kInfinity);  // 60000, beyond 65504, and no way back
  EXPECT_NEAR(large.multiplied({8, 10, 1}, 1)[0], 120000, 128);
}

TEST(AccumulatedProduct, RoundsSmallSums) {
  Factors factors(4, 50, 20);
  for (auto& value : factors.inputs) value *= 1e-20f;
  for (auto& value : factors.factor) value *= 1e-21f;  // sums are subnormal in float32
  on_every_target([&] {
    for (const auto& accumulator : kAccumulators) factors.expect_reference(accumulator);
  });
}

TEST(AccumulatedProduct, IsTheSameForAnyThreadsAndAnyInputsTogether) {
  const Factors factors(29, 333, 150);
  const FloatAccumulator accumulator{8, 13, 32};
  const auto expected = factors.multiplied(accumulator, 1);
  for (const int threads : {2, 3, 16}) EXPECT_EQ(factors.multiplied(accumulator, threads), expected) << threads;
  for (std::int64_t i = 0; i < 29; i += 7) {
    const auto alone = factors.multiplied(accumulator, 2, i, 1);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), expected.begin() + i * 150)) << i;
  }
}

TEST(AccumulatedProduct, OfNothingIsZero) {
  Factors factors(2, 8, 20);
  factors.length = 0;
  std::vector<float> results(20, 1);
  MatrixProduct product{{factors.inputs.data()}, 1, {results.data()}, [](std::int64_t, std::int64_t, float* scratch) {
                          return FactorRows{scratch, 0};
                        }};
  multiply_accumulated({product}, 0, 20, {8, 13, 32}, 1);
  EXPECT_EQ(results, std::vector<float>(20, 0));
}

TEST(AccumulatedProduct, RethrowsWhatTheReaderThrows) {
  std::vector<float> values(64), results(16);
  MatrixProduct product{{values.data()}, 1, {results.data()}, [](std::int64_t, std::int64_t, float*) -> FactorRows {
                          throw std::runtime_error("no rows");
                        }};
  EXPECT_THROW(multiply_accumulated({product}, 64, 16, {8, 13, 32}, 2), std::runtime_error);
}

// DeepSeek-V3 Technical Report (arXiv 2412.19437), section 3.3.2: FP8 products with K = 4096 of two random matrices
// have "a maximum relative error of nearly 2%" on tensor cores, which keep around 14 bits. The report says neither how
// the values are distributed nor how many results there are, and the hardware cuts off where this rounds: so the order
// of magnitude, of E4M3 values, is what can be compared.
TEST(AccumulatedProduct, OfFp8WithFourteenBitsLosesAboutWhatWasPublished) {
  Factors factors(16, 4096, 16);
  for (auto* values : {&factors.inputs, &factors.factor}) {
    round_to_element(*element_of(std::string_view("e4m3")), Rounding::nearest, false, *values, nullptr);
  }
  struct Loss {
    double maximum = 0, rms = 0;  // of relative errors; of errors
  };
  const auto loss_of = [&](const FloatAccumulator& accumulator) {
    const auto results = factors.multiplied(accumulator, 2);
    Loss loss;
    for (std::int64_t i = 0; i < 16; ++i) {
      for (std::int64_t o = 0; o < 16; ++o) {
        double exact = 0;
        for (std::int64_t k = 0; k < 4096; ++k) {
          exact += double{factors.inputs[static_cast<std::size_t>(i * 4096 + k)]} *
                   factors.factor[static_cast<std::size_t>(o * 4096 + k)];
        }
        const double error = std::fabs(results[static_cast<std::size_t>(i * 16 + o)] - exact);
        loss.maximum = std::max(loss.maximum, error / std::fabs(exact));
        loss.rms += error * error / 256;
      }
    }
    loss.rms = std::sqrt(loss.rms);
    return loss;
  };
  const auto kept = loss_of({8, 13, 32});
  RecordProperty("maximum_relative_error", std::to_string(kept.maximum));
  EXPECT_GT(kept.maximum, 0.02 / 4);
  EXPECT_LT(kept.maximum, 0.02 * 4);
  EXPECT_LT(loss_of({8, 22, 32}).maximum, 1e-3);
  // Each bit less doubles the errors of a sum. Sums that are rounded more often lose more: at most as sqrt(32), since
  // the sums of a few E4M3 products are exact.
  EXPECT_NEAR(loss_of({8, 10, 32}).rms / kept.rms, 8, 1.5);
  const double more_often = loss_of({8, 13, 1}).rms / kept.rms;
  EXPECT_GT(more_often, 2);
  EXPECT_LT(more_often, std::sqrt(32));
}

}  // namespace
}  // namespace fakequant
