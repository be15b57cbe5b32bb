#include "weights/output_clipping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "format/fake_quantize.h"
#include "weights/gram_sums.h"

namespace fakequant {
namespace {

constexpr std::int64_t kColumns = 52, kRows = 9;  // the last block of 16 is shorter

// Normal, with outliers, with a shift, and with rows of zeros and of one value.
std::vector<float> some_weights(int kind) {
  std::mt19937 random(static_cast<unsigned>(kind));
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(kRows * kColumns);
  for (auto& x : values) {
    x = normal(random);
    if (kind == 1 && random() % 20 == 0) x *= 12;
    if (kind == 2) x += 0.1f;
  }
  if (kind == 3) {
    std::fill_n(values.begin(), kColumns, 0.0f);
    std::fill_n(values.begin() + kColumns, kColumns, -0.3f);
  }
  return values;
}

// Of inputs that have much in common, and of very different sizes.
std::vector<float> some_hessian() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> inputs(200 * kColumns);
  for (std::size_t row = 0; row < inputs.size(); row += kColumns) {
    const float common = normal(random);
    for (std::size_t i = 0; i < kColumns; ++i) {
      inputs[row + i] = (common + normal(random)) * std::exp2(static_cast<float>(i % 7) - 3);
    }
  }
  GramSums sums(kColumns);
  sums.add(inputs, 1);
  return sums.mean();
}

std::vector<float> unit_hessian() {
  std::vector<float> lower;
  for (std::int64_t i = 0; i < kColumns; ++i) {
    lower.insert(lower.end(), static_cast<std::size_t>(i), 0.0f);
    lower.push_back(1);
  }
  return lower;
}

Format with(const std::string& format, const std::string& range) {
  return parse_format(format + ",range=" + range + (range == "output" ? ",hessian=some.bin" : ""));
}

std::vector<float> clipped(const std::string& text, const std::vector<float>& lower, std::vector<float> values) {
  const OutputClipping clipping(with(text, "output"), kColumns);
  clipping.round_rows(DiagonalBlocks(lower, kColumns, clipping.block()), values, {5, 0}, 0);
  return values;
}

std::vector<float> rounded(const std::string& text, const std::string& range, std::vector<float> values) {
  round_values(with(text, range), values, {.row = kColumns, .random = {5, 0}});
  return values;
}

// Of one group of a row, in the plainest way.
double output_error(const std::vector<float>& before, const std::vector<float>& after, const std::vector<float>& lower,
                    std::size_t row, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (auto i = begin; i < end; ++i) {
    for (auto j = begin; j < end; ++j) {
      const auto a = std::max(i, j), b = std::min(i, j);
      const auto error = [&](std::size_t k) {
        return static_cast<double>(after[row * kColumns + k]) - static_cast<double>(before[row * kColumns + k]);
      };
      sum += error(i) * error(j) * static_cast<double>(lower[a * (a + 1) / 2 + b]);
    }
  }
  return sum;
}

struct Case {
  const char* format;
  std::size_t block;
};

constexpr Case kCases[] = {{"int4,per=block,block=16", 16},
                           {"int3,per=block,block=16,mode=asym,scale=f16", 16},
                           {"int4", kColumns},
                           {"int4,codes=full", kColumns},
                           {"e2m1,per=block,block=16", 16},
                           {"e2m1,per=block,block=16,scale=e4m3", 16},
                           {"e4m3,per=row", kColumns},
                           {"nf4,block=16", 16},
                           {"int2,per=block,block=16,round=zero", 16}};

TEST(OutputClipping, NeverChangesTheOutputOfAGroupMoreThanAbsmaxOrMse) {
  const auto lower = some_hessian();
  int better = 0;
  for (const auto& [format, block] : kCases) {
    for (int kind = 0; kind < 4; ++kind) {
      const auto weights = some_weights(kind);
      const auto chosen = clipped(format, lower, weights);
      for (const auto* range : {"absmax", "mse"}) {
        const auto other = rounded(format, range, weights);
        for (std::size_t row = 0; row < kRows; ++row) {
          for (std::size_t begin = 0; begin < kColumns; begin += block) {
            const auto end = std::min<std::size_t>(begin + block, kColumns);
            const double least = output_error(weights, chosen, lower, row, begin, end);
            const double error = output_error(weights, other, lower, row, begin, end);
            EXPECT_LE(least, error * (1 + 1e-6) + 1e-12) << format << " " << range << " " << kind << " " << row;
            better += least < 0.99 * error;
          }
        }
      }
    }
  }
  EXPECT_GT(better, 1000);
}

TEST(OutputClipping, IsTheSmallestSquaredErrorUnderAUnitHessian) {
  const auto lower = unit_hessian();
  for (const auto& [format, block] : kCases) {
    for (int kind = 0; kind < 4; ++kind) {
      const auto weights = some_weights(kind);
      EXPECT_EQ(clipped(format, lower, weights), rounded(format, "mse", weights)) << format << " " << kind;
    }
  }
  const auto weights = some_weights(1);
  const std::string random = "int4,per=block,block=16,round=stochastic,seed=4";
  EXPECT_EQ(clipped(random, lower, weights), rounded(random, "mse", weights));
}

TEST(OutputClipping, AddsUpTheErrorsOfRows) {
  const auto lower = some_hessian();
  const auto weights = some_weights(0);
  const OutputClipping clipping(with("int4,per=tensor", "output"), kColumns);
  ASSERT_EQ(clipping.block(), kColumns);
  std::vector<double> sums(100);
  const DiagonalBlocks blocks(lower, kColumns, kColumns);
  clipping.add_errors(blocks, {-0.2f, 0.2f}, weights, sums);
  for (const int percent : {30, 75, 100}) {
    auto after = weights;
    round_values(parse_format("int4,range=" + std::to_string(0.002 * percent)), after, {.row = kColumns});
    double expected = 0;
    for (std::size_t row = 0; row < kRows; ++row) expected += output_error(weights, after, lower, row, 0, kColumns);
    EXPECT_NEAR(sums[static_cast<std::size_t>(percent - 1)], expected, 1e-4 * expected) << percent;
  }
}

}  // namespace
}  // namespace fakequant
