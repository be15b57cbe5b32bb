#include "plan/embedding_rows.h"

#include <algorithm>

#include "format/fake_quantize.h"
#include "format/format_options.h"
#include "gguf/tensor_pieces.h"
#include "parallel.h"
#include "weights/rounding_files.h"
#include "weights/tensor_rounding.h"

namespace fakequant {
namespace {

constexpr std::int64_t kSampled = 1024;  // of the rows that no text uses

// The squares of the error of a row as a part of those of the row; 0 for a row of zeros.
double error_of_row(const GgufModel& model, const TensorRounder& rounder, std::size_t tensor, std::int64_t row) {
  const auto columns = row_elements(model.tensors()[tensor]);
  const TensorPiece piece{tensor, row * columns, columns};
  const auto before = read_piece_values(model, piece);
  auto after = before;
  rounder.round_values(piece, after);
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double value = before[i], difference = static_cast<double>(after[i]) - value;
    error += difference * difference;
    energy += value * value;
  }
  return energy > 0 ? error / energy : 0;
}

// Evenly spaced among the rows that the text does not use.
std::vector<std::int64_t> sample_of_others(const RowFrequencies& frequencies, std::int64_t rows) {
  std::vector<std::int64_t> others;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (!frequencies.used.contains(row)) others.push_back(row);
  }
  const auto count = static_cast<std::int64_t>(others.size()), sampled = std::min(count, kSampled);
  std::vector<std::int64_t> sample;
  for (std::int64_t i = 0; i < sampled; ++i) {
    sample.push_back(others[static_cast<std::size_t>((2 * i + 1) * count / (2 * sampled))]);
  }
  return sample;
}

}  // namespace

RowFrequencies row_frequencies(const TokenCounts& text, std::int64_t rows) {
  std::int64_t tokens = 0, once = 0, used = 0;
  for (const auto& [token, count] : text) {
    if (token < 0 || token >= rows || count <= 0) continue;
    tokens += count;
    once += count == 1 ? 1 : 0;
    ++used;
  }
  RowFrequencies frequencies;
  // One more, so that what was seen counts for something where every token comes once.
  const double unseen = used < rows ? static_cast<double>(once) / static_cast<double>(tokens + 1) : 0;
  if (tokens == 0) {
    frequencies.other = rows > 0 ? 1 / static_cast<double>(rows) : 0;
    return frequencies;
  }
  for (const auto& [token, count] : text) {
    if (token < 0 || token >= rows || count <= 0) continue;
    frequencies.used[token] = (1 - unseen) * static_cast<double>(count) / static_cast<double>(tokens);
  }
  if (used < rows) frequencies.other = unseen / static_cast<double>(rows - used);
  return frequencies;
}

EmbeddingRows weigh_rows(const GgufModel& model, std::size_t tensor, const TokenCounts& measured,
                         const TokenCounts& text, const std::vector<Format>& formats, int threads) {
  const auto& info = model.tensors()[tensor];
  const auto columns = row_elements(info);
  EmbeddingRows result{info.name, info.elements / std::max<std::int64_t>(1, columns), 0, {}};
  const auto frequencies = row_frequencies(text, result.rows);
  const auto sample = sample_of_others(frequencies, result.rows);
  const double of_sampled = sample.empty()
                                ? 0
                                : frequencies.other * static_cast<double>(result.rows - std::ssize(frequencies.used)) /
                                      static_cast<double>(sample.size());
  struct Row {
    std::int64_t row;
    double measured, expected;  // weights
  };
  std::map<std::int64_t, Row> rows;
  for (const auto& [row, frequency] : frequencies.used) rows[row] = {row, 0, frequency};
  for (const auto row : sample) rows[row] = {row, 0, of_sampled};
  for (const auto& [token, count] : measured) {
    if (token < 0 || token >= result.rows || count <= 0) continue;
    ++result.measured;
    // Where the text has all that was measured, this makes no new row.
    rows.try_emplace(token, Row{token, 0, 0}).first->second.measured = static_cast<double>(count);
  }
  std::vector<Row> of_all;
  double measured_weight = 0, expected_weight = 0;
  for (const auto& [number, row] : rows) {
    of_all.push_back(row);
    measured_weight += row.measured;
    expected_weight += row.expected;
  }
  RoundingFiles files;
  for (const auto& format : formats) {
    if (format.block_type == nullptr || !row_misfit(format, columns).empty()) continue;
    const TensorRounder rounder(model, tensor, format, files.of(format));
    double seen = 0, expected = 0;
    parallel_fold(
        std::ssize(of_all), threads,
        [&](std::int64_t i) { return error_of_row(model, rounder, tensor, of_all[static_cast<std::size_t>(i)].row); },
        [&](std::int64_t i, double error) {
          seen += of_all[static_cast<std::size_t>(i)].measured * error;
          expected += of_all[static_cast<std::size_t>(i)].expected * error;
        });
    if (!(seen > 0) || !(expected > 0)) continue;
    result.factors.push_back({info.name, to_string(format), expected / expected_weight / (seen / measured_weight)});
  }
  return result;
}

}  // namespace fakequant
