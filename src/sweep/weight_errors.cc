#include "sweep/weight_errors.h"

#include <algorithm>
#include <cmath>

#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "weights/rounding_files.h"
#include "weights/tensor_rounding.h"

namespace fakequant {
namespace {

constexpr std::int64_t kRowsOfGroup = 8;  // of a sample

// Adds the results of `sums_of` for pieces of whole rows, in their order.
template <typename Piece, typename Sums>
std::vector<double> add_pieces(std::int64_t count, int threads, const Piece& piece, const Sums& sums_of) {
  std::vector<double> total;
  const auto sums_of_piece = [&](std::int64_t i) { return sums_of(piece(i)); };
  parallel_fold(count, threads, sums_of_piece, [&](std::int64_t, const std::vector<double>& sums) {
    total.resize(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) total[i] += sums[i];
  });
  return total;
}

}  // namespace

std::vector<double> column_energies(const GgufModel& model, std::size_t tensor, int threads) {
  const auto columns = static_cast<std::size_t>(row_elements(model.tensors()[tensor]));
  TensorPieces pieces;
  pieces.add(tensor, model.tensors()[tensor], PieceCut::rows);
  return add_pieces(
      pieces.size(), threads, [&](std::int64_t i) { return pieces[i]; },
      [&](const TensorPiece& piece) {
        const auto values = read_piece_values(model, piece);
        std::vector<double> sums(columns);
        for (std::size_t row = 0; row < values.size(); row += columns) {
          for (std::size_t c = 0; c < columns; ++c) {
            sums[c] += static_cast<double>(values[row + c]) * static_cast<double>(values[row + c]);
          }
        }
        return sums;
      });
}

std::vector<TensorPiece> sampled_rows(std::size_t tensor, const TensorInfo& info) {
  const auto columns = row_elements(info);
  const auto rows = columns > 0 ? info.elements / columns : 0;
  const auto rows_of_matrix = info.shape.size() > 1 ? info.shape[1] : rows;
  const auto matrices = rows_of_matrix > 0 ? rows / rows_of_matrix : 0;
  const auto groups_of_all = (rows + kRowsOfGroup - 1) / kRowsOfGroup;
  const auto groups = std::min(groups_of_all, std::max(matrices, kSampledRows / kRowsOfGroup));
  std::vector<TensorPiece> pieces;
  for (std::int64_t g = 0; g < groups; ++g) {
    const auto first = (2 * g + 1) * groups_of_all / (2 * groups) * kRowsOfGroup;
    const auto count = std::min(kRowsOfGroup, rows - first);
    pieces.push_back({tensor, first * columns, count * columns});
  }
  return pieces;
}

ColumnErrors column_errors(const GgufModel& model, std::size_t tensor, const Format& format, const RoundingData& data,
                           int stored_as, int threads) {
  TensorRounder rounder(model, tensor, format, data);
  rounder.find_scale(threads);
  const auto columns = static_cast<std::size_t>(row_elements(model.tensors()[tensor]));
  const auto rows = sampled_rows(tensor, model.tensors()[tensor]);
  const auto row_group = [&](std::int64_t i) { return rows[static_cast<std::size_t>(i)]; };
  const auto all =
      add_pieces(static_cast<std::int64_t>(rows.size()), threads, row_group, [&](const TensorPiece& piece) {
        const auto before = read_piece_values(model, piece);
        auto after = before;
        rounder.round(piece, after);
        if (!is_float32(stored_as)) {
          const auto stored = encode_values(stored_as, after, static_cast<std::int64_t>(columns));
          decode_values(stored_as, stored, after);
        }
        std::vector<double> sums(3 * columns);
        for (std::size_t row = 0; row < after.size(); row += columns) {
          for (std::size_t c = 0; c < columns; ++c) {
            const auto weight = static_cast<double>(before[row + c]);
            const double error = static_cast<double>(after[row + c]) - weight;
            sums[c] += error * error;
            sums[columns + c] += weight * error;
            sums[2 * columns + c] += weight * weight;
          }
        }
        return sums;
      });
  const auto part = [&](std::size_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i * columns); };
  return {{part(0), part(1)}, {part(1), part(2)}, {part(2), part(3)}};
}

LocalError product_error(const ColumnErrors& errors, std::span<const double> shares) {
  double error = 0, along = 0, signal = 0;
  for (std::size_t c = 0; c < errors.energies.size(); ++c) {
    const double share = shares.empty() ? 1 : shares[c];
    error += share * errors.errors[c];
    along += share * errors.along[c];
    signal += share * errors.energies[c];
  }
  if (!(signal > 0)) return {};
  return std::isfinite(error) ? LocalError{1, error / signal, along / signal} : LocalError{1, 1, -1};
}

}  // namespace fakequant
