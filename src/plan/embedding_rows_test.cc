#include "plan/embedding_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "format/fake_quantize.h"
#include "format/format_options.h"
#include "format/ggml_types.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

double sum_of(const RowFrequencies& frequencies, std::int64_t rows) {
  double sum = frequencies.other * static_cast<double>(rows - std::ssize(frequencies.used));
  for (const auto& [row, frequency] : frequencies.used) sum += frequency;
  return sum;
}

TEST(RowFrequencies, AreAllThatThereIs) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const std::int64_t rows = 1 + random() % 50;
    TokenCounts text;
    for (auto tokens = random() % 100; tokens > 0; --tokens) ++text[static_cast<std::int64_t>(random() % 60)];
    EXPECT_NEAR(sum_of(row_frequencies(text, rows), rows), 1, 1e-12);
  }
}

TEST(RowFrequencies, GiveTheOthersAsMuchAsComesOnce) {
  const auto frequencies = row_frequencies({{0, 6}, {3, 1}, {4, 2}, {90, 5}}, 10);
  EXPECT_DOUBLE_EQ(frequencies.other, 0.1 / 7);  // 1 of 9 tokens and one more
  EXPECT_DOUBLE_EQ(frequencies.used.at(0), 0.9 * 6 / 9);
  EXPECT_EQ(row_frequencies({{0, 6}, {1, 2}}, 10).other, 0);
}

// Against the definition, row by row.
TEST(EmbeddingRows, CountRowsByHowOftenTheirTokensCome) {
  register_ggml_types();
  constexpr std::int64_t kRows = 12, kColumns = 64;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(kRows * kColumns);
  // Rows of ever more outliers: types differ in what they lose there.
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(random) * (i % 31 < i / kColumns ? 20.0F : 1.0F);
  }
  const TestFolder folder;
  std::string bytes(values.size() * sizeof(float), 0);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  const GgufModel model(
      folder.write("m.gguf", TestGguf().tensor("token_embd.weight", {kColumns, kRows}, 0, bytes).bytes()));
  const TokenCounts measured = {{1, 3}, {4, 1}}, text = {{1, 5}, {2, 1}, {4, 2}, {9, 1}};
  const auto found =
      weigh_rows(model, 0, measured, text, {parse_format("q4_0"), parse_format("q8_0"), parse_format("q4_k")}, 2);
  EXPECT_EQ(found.tensor, "token_embd.weight");
  EXPECT_EQ(found.rows, kRows);
  EXPECT_EQ(found.measured, 2);
  ASSERT_EQ(found.factors.size(), 2);  // q4_k does not fit
  const auto frequencies = row_frequencies(text, kRows);
  for (const auto& factor : found.factors) {
    double expected = 0, seen = 0;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const std::vector<float> before(values.begin() + row * kColumns, values.begin() + (row + 1) * kColumns);
      auto after = before;
      round_values(parse_format(factor.format), after);
      double error = 0, energy = 0;
      for (std::size_t i = 0; i < before.size(); ++i) {
        error += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
        energy += std::pow(static_cast<double>(before[i]), 2);
      }
      const auto used = frequencies.used.find(row);
      expected += (used == frequencies.used.end() ? frequencies.other : used->second) * error / energy;
      const auto of_measured = measured.find(row);
      if (of_measured != measured.end()) seen += static_cast<double>(of_measured->second) / 4 * error / energy;
    }
    EXPECT_NEAR(factor.factor, expected / seen, 1e-9) << factor.format;
    EXPECT_GT(std::fabs(factor.factor - 1), 0.01);
  }
}

}  // namespace
}  // namespace fakequant
