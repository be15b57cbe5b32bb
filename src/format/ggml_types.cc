#include "format/ggml_types.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>

#include "error.h"
#include "format/q8_k_kernel.h"
#include "lower_case.h"

// ggml exports these, in no public header.
extern "C" {
void quantize_row_q8_K_ref(const float* values, void* quantized, std::int64_t count);
void dequantize_row_q8_K(const void* quantized, float* values, std::int64_t count);
}

namespace fakequant {
namespace {

// No type whose scale is F16 reaches this value (q6_k gets furthest: 65504 x 127 x 32), and ggml's quantizers, which
// square values in float32, abort or return NaN somewhere above it.
constexpr float kMaxOfHalfScales = 1e9F;

// Scales of q8_K are F32, those of mxfp4 powers of two.
bool has_half_scale(int type) { return type != GGML_TYPE_Q8_K && type != GGML_TYPE_MXFP4; }

// The largest magnitude of the values: NaN if one is NaN, infinity if one is infinite. As integers, the bits of
// magnitudes are in the order of the magnitudes, with NaN above all. Lanes of a fixed number become vector
// instructions.
float largest_magnitude(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  std::array<std::int32_t, kLanes> largest{};
  const auto bits_of = [](float x) { return std::bit_cast<std::int32_t>(x) & 0x7FFFFFFF; };
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = std::max(largest[lane], bits_of(values[i + lane]));
    }
  }
  for (; i < values.size(); ++i) largest[0] = std::max(largest[0], bits_of(values[i]));
  return std::bit_cast<float>(*std::max_element(largest.begin(), largest.end()));
}

// Whether ggml can quantize values of this magnitude: they are not NaN, infinite, or far beyond what the type holds.
bool is_in_range(const BlockType& type, float magnitude) {
  if (type.id == GGML_TYPE_F16 || type.id == GGML_TYPE_BF16) return true;
  return magnitude <= (has_half_scale(type.id) ? kMaxOfHalfScales : std::numeric_limits<float>::max());
}

// Rows that ggml can quantize, in its bytes.
Buffer<std::byte> quantize_rows(const BlockType& type, std::span<const float> values, std::int64_t row,
                                std::span<const float> importance) {
  if (type.needs_importance && importance.empty()) {
    throw usage_error(fmt::format(
        "ggml quantizes to {} only with an importance matrix: round a weight to it, with imatrix=FILE", type.name));
  }
  const auto count = static_cast<std::int64_t>(values.size());
  Buffer<std::byte> quantized(static_cast<std::size_t>(count / type.block * type.bytes));
  ggml_quantize_chunk(static_cast<ggml_type>(type.id), values.data(), quantized.data(), 0, count / row, row,
                      importance.empty() ? nullptr : importance.data());
  return quantized;
}

void decode(const BlockType& type, const Buffer<std::byte>& quantized, std::span<float> values) {
  ggml_get_type_traits(static_cast<ggml_type>(type.id))
      ->to_float(quantized.data(), values.data(), static_cast<std::int64_t>(values.size()));
}

void q8_1_round_trip(std::span<float> values) {
  Buffer<std::byte> quantized(values.size() / 32 * ggml_type_size(GGML_TYPE_Q8_1));
  ggml_get_type_traits(GGML_TYPE_Q8_1)
      ->from_float_ref(values.data(), quantized.data(), static_cast<std::int64_t>(values.size()));
  // A block is its scale and the sum of its values, both F16, and 32 codes.
  constexpr std::size_t kBytes = 2 * sizeof(ggml_fp16_t) + 32;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* block = quantized.data() + i / 32 * kBytes;
    ggml_fp16_t scale = 0;
    std::memcpy(&scale, block, sizeof scale);
    const auto code = static_cast<std::int8_t>(block[kBytes - 32 + i % 32]);
    values[i] = static_cast<float>(code) * ggml_fp16_to_fp32(scale);
  }
}

void q8_k_round_trip(std::span<float> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  Buffer<std::byte> quantized(values.size() / 256 * ggml_type_size(GGML_TYPE_Q8_K));
  quantize_row_q8_K_ref(values.data(), quantized.data(), count);
  dequantize_row_q8_K(quantized.data(), values.data(), count);
}

// A block that the type cannot hold becomes NaN, as it does where ggml's scale overflows. The values of others are
// replaced by round_trip(values).
template <typename RoundTrip>
void by_blocks(const BlockType& type, std::span<float> values, const RoundTrip& round_trip) {
  if (values.empty()) return;
  const auto block = static_cast<std::size_t>(type.block);
  std::vector<std::size_t> lost;  // where the blocks begin
  for (std::size_t begin = 0; begin < values.size(); begin += block) {
    const auto of_block = values.subspan(begin, block);
    if (is_in_range(type, largest_magnitude(of_block))) continue;
    lost.push_back(begin);
    std::fill(of_block.begin(), of_block.end(), 0.0F);
  }
  round_trip(values);
  for (const auto begin : lost) {
    const auto of_block = values.subspan(begin, block);
    std::fill(of_block.begin(), of_block.end(), std::numeric_limits<float>::quiet_NaN());
  }
}

void ggml_round_trip(const BlockType& type, std::span<float> values, std::int64_t row,
                     std::span<const float> importance) {
  by_blocks(type, values,
            [&](std::span<float> held) { decode(type, quantize_rows(type, held, row, importance), held); });
}

// By a kernel of the same bits, and by ggml's own code those blocks that it does not take.
void q8_k_input_round_trip(const BlockType& type, std::span<float> values, std::int64_t, std::span<const float>) {
  while (true) {
    values = values.subspan(round_to_q8_k(values));
    if (values.empty()) return;
    by_blocks(type, values.first(kQ8KBlock), q8_k_round_trip);
    values = values.subspan(kQ8KBlock);
  }
}

void q8_1_input_round_trip(const BlockType& type, std::span<float> values, std::int64_t, std::span<const float>) {
  by_blocks(type, values, q8_1_round_trip);
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
      found.push_back({"ggml", lower_case(traits->type_name), id, traits->blck_size,
                       static_cast<std::int64_t>(traits->type_size), ggml_quantize_requires_imatrix(type),
                       ggml_round_trip});
    }
    return found;
  }();
  return types;
}

const std::vector<BlockType>& ggml_input_types() {
  static const std::vector<BlockType> types = [] {
    std::vector<BlockType> found;
    const auto add = [&](const char* name, ggml_type type, auto round_trip) {
      const auto bytes = static_cast<std::int64_t>(ggml_type_size(type));
      found.push_back({"ggml", name, type, ggml_blck_size(type), bytes, false, round_trip});
    };
    add("q8_1", GGML_TYPE_Q8_1, q8_1_input_round_trip);
    add("q8_k", GGML_TYPE_Q8_K, q8_k_input_round_trip);
    return found;
  }();
  return types;
}

void register_ggml_types() {
  register_block_types(ggml_types());
  register_block_types(ggml_input_types());
}

Buffer<std::byte> ggml_quantize(const BlockType& type, std::span<const float> values, std::int64_t row,
                                std::span<const float> importance) {
  if (values.empty()) return {};
  const auto magnitude = largest_magnitude(values);
  if (!std::isfinite(magnitude)) {
    throw Error(
        fmt::format("a value is NaN or infinite: ggml's quantizers take neither, so {} cannot hold it", type.name));
  }
  const auto too_large = [&] {
    return Error(fmt::format("values reach {:g}: {} cannot hold them", magnitude, type.name));
  };
  if (!is_in_range(type, magnitude)) throw too_large();
  auto quantized = quantize_rows(type, values, row, importance);
  Buffer<float> stored(values.size());
  decode(type, quantized, stored);
  if (!std::isfinite(largest_magnitude(stored))) throw too_large();
  return quantized;
}

}  // namespace fakequant
