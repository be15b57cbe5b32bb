#include "format/ggml_types.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "error.h"

namespace fakequant {
namespace {

void ggml_round_trip(const BlockType& type, std::span<float> values, std::int64_t row,
                     std::span<const float> importance) {
  const auto quantized = ggml_quantize(type, values, row, importance);
  if (quantized.empty()) return;
  ggml_get_type_traits(static_cast<ggml_type>(type.id))
      ->to_float(quantized.data(), values.data(), static_cast<std::int64_t>(values.size()));
}

}  // namespace

const std::vector<BlockType>& ggml_types() {
  static const std::vector<BlockType> types = [] {
    std::vector<BlockType> found;
    for (int id = 0; id < GGML_TYPE_COUNT; ++id) {
      const auto type = static_cast<ggml_type>(id);
      const auto* traits = ggml_get_type_traits(type);
      const bool narrow_float = type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
      if (traits->to_float == nullptr || (!traits->is_quantized && !narrow_float)) continue;
      std::string name = traits->type_name;
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      found.push_back({"ggml", name, id, traits->blck_size, static_cast<std::int64_t>(traits->type_size),
                       ggml_quantize_requires_imatrix(type), ggml_round_trip});
    }
    return found;
  }();
  return types;
}

void register_ggml_types() { register_block_types(ggml_types()); }

Buffer<std::byte> ggml_quantize(const BlockType& type, std::span<const float> values, std::int64_t row,
                                std::span<const float> importance) {
  if (values.empty()) return {};
  if (type.needs_importance && importance.empty()) {
    throw usage_error(fmt::format(
        "ggml quantizes to {} only with an importance matrix: round a weight to it, with imatrix=FILE", type.name));
  }
  if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
    throw Error(
        fmt::format("a value is NaN or infinite: ggml's quantizers take neither, so {} cannot hold it", type.name));
  }
  const auto count = static_cast<std::int64_t>(values.size());
  Buffer<std::byte> quantized(static_cast<std::size_t>(count / type.block * type.bytes));
  ggml_quantize_chunk(static_cast<ggml_type>(type.id), values.data(), quantized.data(), 0, count / row, row,
                      importance.empty() ? nullptr : importance.data());
  return quantized;
}

}  // namespace fakequant
