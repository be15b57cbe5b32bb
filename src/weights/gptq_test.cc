#include "weights/gptq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/value_rounding.h"
#include "weights/gram_sums.h"

namespace fakequant {
namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// The Hessian of correlated inputs.
std::vector<float> some_hessian(std::int64_t columns, std::int64_t rows = 400) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> inputs(index(columns * rows));
  for (std::int64_t r = 0; r < rows; ++r) {
    float shared = normal(random);
    for (std::int64_t c = 0; c < columns; ++c) {
      shared = 0.9f * shared + normal(random);
      inputs[index(r * columns + c)] = shared * (c % 7 == 3 ? 3.0f : 1.0f);
    }
  }
  GramSums sums(columns);
  sums.add(inputs, 1);
  return sums.mean();
}

std::vector<float> some_rows(std::int64_t columns, std::int64_t rows) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(index(columns * rows));
  for (auto& x : values) x = normal(random);
  return values;
}

double hessian_at(const std::vector<float>& lower, std::int64_t i, std::int64_t j) {
  const auto row = std::max(i, j), column = std::min(i, j);
  return static_cast<double>(lower[index(row * (row + 1) / 2 + column)]);
}

// (w - q) H (w - q)^T, over all rows.
double output_error(const std::vector<float>& lower, std::int64_t columns, const std::vector<float>& before,
                    const std::vector<float>& after) {
  double sum = 0;
  for (std::size_t begin = 0; begin < before.size(); begin += index(columns)) {
    for (std::int64_t i = 0; i < columns; ++i) {
      const double a = static_cast<double>(before[begin + index(i)]) - static_cast<double>(after[begin + index(i)]);
      for (std::int64_t j = 0; j < columns; ++j) {
        sum += a * hessian_at(lower, i, j) *
               (static_cast<double>(before[begin + index(j)]) - static_cast<double>(after[begin + index(j)]));
      }
    }
  }
  return sum;
}

TEST(Gptq, FactorsTheInverse) {
  for (const std::int64_t n : {1, 5, 64, 150}) {
    const auto lower = some_hessian(n);
    for (const auto order : {ColumnOrder::natural, ColumnOrder::activation}) {
      const auto factor = gptq_factor(lower, n, {"", order, 0.02}, 1);
      double mean = 0;
      for (std::int64_t i = 0; i < n; ++i) mean += hessian_at(lower, i, i) / static_cast<double>(n);
      const auto column = [&](std::int64_t i) { return factor.order.empty() ? i : factor.order[index(i)]; };
      for (std::int64_t i = 0; i + 1 < n && order == ColumnOrder::activation; ++i) {
        ASSERT_GE(hessian_at(lower, column(i), column(i)), hessian_at(lower, column(i + 1), column(i + 1)));
      }
      // (U^T U) H = 1.
      std::vector<double> inverse(index(n * n));
      for (std::int64_t k = 0; k < n; ++k) {
        for (std::int64_t i = k; i < n; ++i) {
          for (std::int64_t j = k; j < n; ++j) {
            inverse[index(i * n + j)] += factor.upper[index(k * n + i)] * factor.upper[index(k * n + j)];
          }
        }
      }
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          double product = 0;
          for (std::int64_t k = 0; k < n; ++k) {
            product +=
                inverse[index(i * n + k)] * (hessian_at(lower, column(k), column(j)) + (k == j ? 0.02 * mean : 0));
          }
          ASSERT_NEAR(product, i == j ? 1 : 0, 1e-9) << n << " " << i << " " << j;
        }
      }
    }
  }
}

// Each column's error goes to all later ones at once.
std::vector<float> round_in_one_go(const Format& format, const GptqFactor& factor, const std::vector<float>& rows) {
  const auto n = factor.columns;
  const auto length = format.per == Span::block ? format.block : n;
  std::vector<float> result(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += index(n)) {
    std::vector<double> values(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                               rows.begin() + static_cast<std::ptrdiff_t>(begin + index(n)));
    GroupScale scale;
    for (std::int64_t j = 0; j < n; ++j) {
      if (j % length == 0) {
        std::vector<float> group;
        for (auto k = j; k < std::min(j + length, n); ++k) {
          group.push_back(length == n ? rows[begin + index(k)] : static_cast<float>(values[index(k)]));
        }
        scale = scale_of_group(format, {}, group);
      }
      const float rounded = round_in_group(format, scale, static_cast<float>(values[index(j)])).value;
      result[begin + index(j)] = rounded;
      const double error = (values[index(j)] - static_cast<double>(rounded)) / factor.upper[index(j * n + j)];
      for (auto k = j + 1; k < n; ++k) values[index(k)] -= error * factor.upper[index(j * n + k)];
    }
  }
  return result;
}

TEST(Gptq, RoundsAsWithoutBlocksOfColumns) {
  const std::int64_t n = 600;
  const auto lower = some_hessian(n, 900);
  const auto factor = gptq_factor(lower, n, {}, 2);
  const auto rows = some_rows(n, 19);
  for (const auto* text : {"int4,per=row", "int4,per=block,block=128", "int3,per=block,block=48,mode=asym",
                           "int4,per=block,block=200", "e2m1,per=block,block=16,scale=e8m0", "mantissa2", "nf4"}) {
    auto format = parse_format(text);
    const auto expected = round_in_one_go(format, factor, rows);
    auto found = rows;
    gptq_round_rows(format, {}, factor, found);
    std::int64_t same = 0;
    for (std::size_t i = 0; i < found.size(); ++i) same += found[i] == expected[i] ? 1 : 0;
    EXPECT_GE(static_cast<double>(same), 0.999 * static_cast<double>(found.size())) << text;
    auto nearest = rows;
    round_values(format, nearest, {.row = n});
    EXPECT_LT(output_error(lower, n, rows, found), 0.8 * output_error(lower, n, rows, nearest)) << text;
  }
}

TEST(Gptq, DoesNotDependOnThreadsOrOnHowRowsAreDivided) {
  const std::int64_t n = 300;
  const auto lower = some_hessian(n);
  const auto factor = gptq_factor(lower, n, {}, 1), other = gptq_factor(lower, n, {}, 4);
  EXPECT_EQ(factor.upper, other.upper);
  const auto format = parse_format("int4,per=block,block=64");
  const auto rows = some_rows(n, 21);
  auto whole = rows, parts = rows;
  gptq_round_rows(format, {}, factor, whole);
  for (std::size_t begin = 0; begin < parts.size(); begin += 7 * index(n)) {
    gptq_round_rows(format, {}, factor, std::span(parts).subspan(begin, 7 * index(n)));
  }
  EXPECT_EQ(whole, parts);
}

TEST(Gptq, RoundsInTheOrderOfActivationsUnderScalesOfTheOriginal) {
  const std::int64_t n = 256;
  const auto lower = some_hessian(n);
  const auto factor = gptq_factor(lower, n, {"", ColumnOrder::activation, 0.01}, 1);
  const auto format = parse_format("int4,per=block,block=64");
  const auto rows = some_rows(n, 8);
  auto found = rows, nearest = rows;
  gptq_round_rows(format, {}, factor, found);
  round_values(format, nearest, {.row = n});
  for (std::size_t begin = 0; begin < rows.size(); begin += 64) {
    const auto scale = scale_of_group(format, {}, std::span(rows).subspan(begin, 64));
    for (std::size_t i = begin; i < begin + 64; ++i) {
      ASSERT_EQ(round_in_group(format, scale, found[i]).value, found[i]);
    }
  }
  EXPECT_LT(output_error(lower, n, rows, found), 0.8 * output_error(lower, n, rows, nearest));
}

TEST(Gptq, RoundsToTheNearestWhereNoInputEverWas) {
  const std::int64_t n = 100;
  const std::vector<float> lower(index(n * (n + 1) / 2), 0.0f);
  const auto format = parse_format("int4,per=block,block=32");
  const auto rows = some_rows(n, 5);
  auto found = rows, nearest = rows;
  gptq_round_rows(format, {}, gptq_factor(lower, n, {}, 1), found);
  round_values(format, nearest, {.row = n});
  EXPECT_EQ(found, nearest);
}

TEST(Gptq, RefusesWhatIsNoHessianAndValuesThatAreNotFinite) {
  EXPECT_THROW(gptq_factor(std::vector<float>{1, 5, 1}, 2, {}, 1), Error);
  const auto factor = gptq_factor(some_hessian(4), 4, {}, 1);
  std::vector<float> row = {1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
  EXPECT_THROW(gptq_round_rows(parse_format("int4"), {}, factor, row), Error);
}

}  // namespace
}  // namespace fakequant
