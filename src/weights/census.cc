#include "weights/census.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "error.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "recipe/site_match.h"
#include "weights/half_statistics.h"

namespace fakequant {
namespace {

// A piece is read in parts that fit the cache; each uses the statistics of those before it.
constexpr std::int64_t kMaxPieceElements = 32 * kPieceElements;

// With fewer values, the error of the float sums of add_half_statistics() would be visible.
constexpr std::int64_t kMinHalfElements = 8 * kPieceElements;

ValueStatistics statistics_of(const GgufModel& model, const TensorPiece& piece) {
  const auto& tensor = model.tensors()[piece.tensor];
  const auto half = tensor.elements >= kMinHalfElements ? half_of_type(tensor.type) : std::nullopt;
  ValueStatistics total;
  for (std::int64_t first = 0; first < piece.elements; first += kPieceElements) {
    const auto count = std::min(kPieceElements, piece.elements - first);
    const TensorPiece part{piece.tensor, piece.first_element + first, count};
    if (half) {
      const auto bytes = read_piece(model, part);
      const auto* codes = reinterpret_cast<const std::uint16_t*>(bytes.data());
      add_half_statistics(*half, {codes, static_cast<std::size_t>(count)}, total);
    } else {
      total.add(value_statistics(read_piece_values(model, part)));
    }
  }
  return total;
}

TensorCensus describe(const TensorInfo& tensor, const ValueStatistics& s) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(s.finite);
  TensorCensus census;
  census.name = tensor.name;
  census.type = type_name(tensor.type);
  census.shape = tensor.shape;
  census.elements = tensor.elements;
  census.bytes = tensor.size;
  census.layer = layer_of_tensor(tensor.name);
  if (is_float32(tensor.type) && s.values > 0) {
    census.low16_zero = static_cast<double>(s.low16_zero) / static_cast<double>(s.values);
  }
  if (widens_exactly(tensor.type)) census.lossless_in = lossless_formats(s);
  census.mantissa_bits = mantissa_bits(s);
  census.min = s.finite > 0 ? static_cast<double>(s.min) : none;
  census.max = s.finite > 0 ? static_cast<double>(s.max) : none;
  census.absmax = s.finite > 0 ? static_cast<double>(std::max(-s.min, s.max)) + 0.0 : none;
  census.mean = s.finite > 0 ? s.mean : none;
  census.std = s.finite > 0 ? std::sqrt(s.m2 / n) : none;
  census.kurtosis = s.m2 > 0 ? n * s.m4 / (s.m2 * s.m2) - 3 : none;
  census.zeros = s.zeros;
  census.nans = s.nans;
  census.infs = s.infs;
  return census;
}

}  // namespace

bool is_bf16_already(const TensorCensus& tensor) { return tensor.low16_zero && *tensor.low16_zero == 1.0; }

Census take_census(const GgufModel& model, const std::string& glob, int threads, const Progress& progress) {
  std::vector<std::size_t> chosen;
  TensorPieces pieces(kMaxPieceElements);
  std::vector<std::size_t> index(model.tensors().size());  // among the chosen
  for (std::size_t t = 0; t < model.tensors().size(); ++t) {
    if (!glob_match(glob, model.tensors()[t].name)) continue;
    index[t] = chosen.size();
    chosen.push_back(t);
    pieces.add(t, model.tensors()[t]);
  }
  if (chosen.empty() && !model.tensors().empty()) {
    throw usage_error(
        fmt::format("no tensor of {} matches '{}': its first is {}", model.path(), glob, model.tensors().front().name));
  }
  std::vector<ValueStatistics> totals(chosen.size());
  const auto read_piece_statistics = [&](std::int64_t i) { return statistics_of(model, pieces[i]); };
  const auto fold = [&](std::int64_t i, const ValueStatistics& piece) { totals[index[pieces[i].tensor]].add(piece); };
  parallel_fold(pieces.size(), threads, read_piece_statistics, fold, progress);

  Census census;
  census.model = model.path();
  census.architecture = model.first().find_string("general.architecture").value_or("");
  census.file_size = model.size();
  census.layers = layer_count(model.tensors());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    census.tensors.push_back(describe(model.tensors()[chosen[i]], totals[i]));
    ++census.types[census.tensors.back().type];
  }
  return census;
}

}  // namespace fakequant
