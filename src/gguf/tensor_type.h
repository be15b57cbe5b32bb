// The types in which GGUF stores tensors: ggml's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "buffer.h"
#include "format/half_precision.h"

namespace fakequant {

bool is_tensor_type(std::uint32_t type);

// The name in llama.cpp's tools: "F32", "Q4_K".
std::string type_name(int type);

std::int64_t block_elements(int type);  // values that share a block; 1 for plain types
std::int64_t block_bytes(int type);

bool is_float32(int type);

// True for F32, F16 and BF16: types whose values can be replaced one by one.
bool is_plain_float(int type);

// The 16-bit float that a type is, if it is one.
std::optional<Half> half_of_type(int type);

// True for the types whose values share a scale in blocks.
bool is_quantized(int type);

// True for quantized types into which ggml quantizes without an importance matrix.
bool can_quantize_again(int type);

// The type that "f32", "f16" or "bf16" names. Throws a usage error for any other word.
int plain_float_type(const std::string& name);

// The type of that name, in any case: "q4_k", "F16"; no value if there is none.
std::optional<int> find_tensor_type(std::string_view name);

// Widens stored values to float, quantized ones by ggml's own dequantization. `bytes` holds whole blocks for
// values.size() values.
void decode_values(int type, std::span<const std::byte> bytes, std::span<float> values);

// The stored bytes of values: in a plain float type rounded to nearest, ties to even; in a type that
// can_quantize_again() by ggml's own quantization, in rows of `row` values, which divides values.size(). Throws an
// Error if ggml does not take a value.
Buffer<std::byte> encode_values(int type, std::span<const float> values, std::int64_t row);

// The same into memory of the caller, for a plain float type.
void encode_plain_floats(int type, std::span<const float> values, std::span<std::byte> bytes);

}  // namespace fakequant
