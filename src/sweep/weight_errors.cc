#include "sweep/weight_errors.h"

#include <cmath>

#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "weights/rounding_files.h"
#include "weights/tensor_rounding.h"

namespace fakequant {
namespace {

// Adds the results of `sums_of` for all pieces of whole rows, in the order of the pieces.
template <typename Sums>
std::vector<double> add_pieces(const GgufModel& model, std::size_t tensor, int threads, const Sums& sums_of) {
  TensorPieces pieces;
  pieces.add(tensor, model.tensors()[tensor], PieceCut::rows);
  std::vector<double> total;
  const auto sums_of_piece = [&](std::int64_t i) { return sums_of(pieces[i]); };
  parallel_fold(pieces.size(), threads, sums_of_piece, [&](std::int64_t, const std::vector<double>& sums) {
    total.resize(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) total[i] += sums[i];
  });
  return total;
}

}  // namespace

std::vector<double> column_energies(const GgufModel& model, std::size_t tensor, int threads) {
  const auto columns = static_cast<std::size_t>(row_elements(model.tensors()[tensor]));
  return add_pieces(model, tensor, threads, [&](const TensorPiece& piece) {
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

ColumnErrors column_errors(const GgufModel& model, std::size_t tensor, const Format& format, const RoundingData& data,
                           int stored_as, int threads) {
  TensorRounder rounder(model, tensor, format, data);
  rounder.find_scale(threads);
  const auto columns = static_cast<std::size_t>(row_elements(model.tensors()[tensor]));
  const auto both = add_pieces(model, tensor, threads, [&](const TensorPiece& piece) {
    const auto before = read_piece_values(model, piece);
    auto after = before;
    rounder.round(piece, after);
    if (!is_float32(stored_as)) {
      const auto stored = encode_values(stored_as, after, static_cast<std::int64_t>(columns));
      decode_values(stored_as, stored, after);
    }
    std::vector<double> sums(2 * columns);
    for (std::size_t row = 0; row < after.size(); row += columns) {
      for (std::size_t c = 0; c < columns; ++c) {
        const auto weight = static_cast<double>(before[row + c]);
        const double error = static_cast<double>(after[row + c]) - weight;
        sums[c] += error * error;
        sums[columns + c] += weight * error;
      }
    }
    return sums;
  });
  const auto middle = both.begin() + static_cast<std::ptrdiff_t>(columns);
  return {{both.begin(), middle}, {middle, both.end()}};
}

LocalError product_error(const ColumnErrors& errors, std::span<const double> energies, std::span<const double> shares) {
  double error = 0, along = 0, signal = 0;
  for (std::size_t c = 0; c < energies.size(); ++c) {
    const double share = shares.empty() ? 1 : shares[c];
    error += share * errors.errors[c];
    along += share * errors.along[c];
    signal += share * energies[c];
  }
  if (!(signal > 0)) return {};
  return std::isfinite(error) ? LocalError{1, error / signal, along / signal} : LocalError{1, 1, -1};
}

}  // namespace fakequant
