#include "weights/census.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "weights/value_statistics.h"

namespace fakequant {
namespace {

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
  census.lossless_in = lossless_formats(s);
  census.mantissa_bits = mantissa_bits(s);
  census.min = s.finite > 0 ? static_cast<double>(s.min) : none;
  census.max = s.finite > 0 ? static_cast<double>(s.max) : none;
  census.absmax = s.finite > 0 ? static_cast<double>(std::max(-s.min, s.max)) : none;
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

Census take_census(const GgufFile& file, int threads, const Progress& progress) {
  const auto pieces = all_pieces(file);
  std::vector<ValueStatistics> parts(pieces.size());
  const auto survey = [&](std::int64_t piece) {
    const auto i = static_cast<std::size_t>(piece);
    parts[i] = value_statistics(read_piece_values(file, pieces[i]));
  };
  parallel_for(static_cast<std::int64_t>(pieces.size()), threads, survey, progress);
  std::vector<ValueStatistics> totals(file.tensors().size());
  for (std::size_t i = 0; i < pieces.size(); ++i) totals[pieces[i].tensor].add(parts[i]);

  Census census;
  census.model = file.path();
  census.architecture = file.find_string("general.architecture").value_or("");
  census.file_size = file.size();
  census.layers = layer_count(file);
  for (std::size_t t = 0; t < totals.size(); ++t) {
    census.tensors.push_back(describe(file.tensors()[t], totals[t]));
    ++census.types[census.tensors.back().type];
  }
  return census;
}

}  // namespace fakequant
