#include "weights/census.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "error.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "recipe/site_match.h"
#include "weights/half_statistics.h"
#include "weights/wide_values.h"

namespace fakequant {
namespace {

// A piece is read in parts that fit the cache; each uses the statistics of those before it.
constexpr std::int64_t kMaxPieceElements = 32 * kPieceElements;

// With fewer values, the error of the float sums of add_half_statistics() would be visible.
constexpr std::int64_t kMinHalfElements = 8 * kPieceElements;

// llama.cpp's converter adds 1 to the norms of these architectures, which multiply by 1 + weight
// (convert_hf_to_gguf.py: norm_shift, layernorm1p). A name too many is harmless: the values show whether it did.
bool adds_1_to_norms(const GgufModel& model) {
  constexpr std::array<std::string_view, 11> architectures = {"gemma",     "gemma2",          "gemma3",    "gemma3n",
                                                              "gemma4",    "nemotron",        "qwen3next", "qwen35",
                                                              "qwen35moe", "gemma-embedding", "plamo2"};
  const auto architecture = model.first().find_string("general.architecture").value_or("");
  return std::find(architectures.begin(), architectures.end(), architecture) != architectures.end();
}

bool is_float32_norm(const TensorInfo& tensor) {
  return is_float32(tensor.type) && tensor.name.ends_with("norm.weight");
}

// How many values are 1 + b with b in BF16. x - 1 is exact in double for all floats but tiny ones, which are none.
std::int64_t count_bf16_plus_1(std::span<const float> values) {
  std::int64_t count = 0;
  for (const auto value : values) {
    const double rest = static_cast<double>(value) - 1;
    const auto as_float = static_cast<float>(rest);
    count += static_cast<double>(as_float) == rest && (std::bit_cast<std::uint32_t>(as_float) & 0xFFFFU) == 0;
  }
  return count;
}

// Of a piece, or a tensor.
struct Statistics {
  WideStatistics wide;  // of types that a float holds, its `values` only
  std::int64_t bf16_plus_1 = 0;

  void add(const Statistics& other) {
    wide.add(other.wide);
    bf16_plus_1 += other.bf16_plus_1;
  }
};

Statistics statistics_of(const GgufModel& model, const TensorPiece& piece, bool adds_1) {
  const auto& tensor = model.tensors()[piece.tensor];
  const auto half = tensor.elements >= kMinHalfElements ? half_of_type(tensor.type) : std::nullopt;
  const auto type = type_name(tensor.type);
  const bool is_exact = is_wide(type) || is_integer(type);
  Statistics total;
  for (std::int64_t first = 0; first < piece.elements; first += kPieceElements) {
    const auto count = std::min(kPieceElements, piece.elements - first);
    const TensorPiece part{piece.tensor, piece.first_element + first, count};
    if (half) {
      const auto bytes = read_piece(model, part);
      const auto* codes = reinterpret_cast<const std::uint16_t*>(bytes.data());
      add_half_statistics(*half, {codes, static_cast<std::size_t>(count)}, total.wide.values);
    } else if (is_exact) {
      total.wide.add(wide_statistics(wide_values(type, read_piece(model, part))));
    } else {
      const auto values = read_piece_values(model, part);
      total.wide.values.add(value_statistics(values));
      if (adds_1 && is_float32_norm(tensor)) total.bf16_plus_1 += count_bf16_plus_1(values);
    }
  }
  return total;
}

TensorCensus describe(const TensorInfo& tensor, const Statistics& statistics, bool adds_1) {
  const auto& wide = statistics.wide;
  const auto& s = wide.values;
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
  if (adds_1 && is_float32_norm(tensor) && s.values > 0) {
    census.low16_zero_minus_1 = static_cast<double>(statistics.bf16_plus_1) / static_cast<double>(s.values);
  }
  census.is_integer = is_integer(census.type);
  const bool is_double = is_wide(census.type) && !census.is_integer;
  if (census.is_integer) {
    census.mantissa_width = 0;
  } else if (is_double) {
    census.mantissa_bits = wide.mantissa_bits;
    census.mantissa_width = 52;
    if (wide.fits_float) {
      census.lossless_in = lossless_formats(s);
      census.lossless_in.insert(census.lossless_in.begin(), "f32");
    }
  } else {
    census.mantissa_bits = mantissa_bits(s);
    census.lossless_in = lossless_formats(s);
  }
  if (census.is_integer && s.finite > 0) {
    census.integer_min = static_cast<std::int64_t>(wide.min);
    census.integer_max = static_cast<std::int64_t>(wide.max);
  }
  const bool is_exact = census.is_integer || is_double;
  const double min = is_exact ? static_cast<double>(wide.min) : static_cast<double>(s.min);
  const double max = is_exact ? static_cast<double>(wide.max) : static_cast<double>(s.max);
  census.min = s.finite > 0 ? min : none;
  census.max = s.finite > 0 ? max : none;
  census.absmax = s.finite > 0 ? std::max(-min, max) + 0.0 : none;
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

bool is_bf16_but_for_1(const TensorCensus& tensor) {
  return !is_bf16_already(tensor) && tensor.low16_zero_minus_1 && *tensor.low16_zero_minus_1 == 1.0;
}

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
  std::vector<Statistics> totals(chosen.size());
  const bool adds_1 = adds_1_to_norms(model);
  const auto read_piece_statistics = [&](std::int64_t i) { return statistics_of(model, pieces[i], adds_1); };
  const auto fold = [&](std::int64_t i, const Statistics& piece) { totals[index[pieces[i].tensor]].add(piece); };
  parallel_fold(pieces.size(), threads, read_piece_statistics, fold, progress);

  Census census;
  census.model = model.path();
  census.architecture = model.first().find_string("general.architecture").value_or("");
  census.file_size = model.size();
  census.layers = layer_count(model.tensors());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    census.tensors.push_back(describe(model.tensors()[chosen[i]], totals[i], adds_1));
    ++census.types[census.tensors.back().type];
  }
  return census;
}

}  // namespace fakequant
