// The types in which GGUF stores tensors, as ggml knows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fakequant {

bool is_tensor_type(std::uint32_t type);

// The name as llama.cpp's tools print it: "F32", "Q4_K".
std::string type_name(int type);

std::int64_t block_elements(int type);  // values that share a block; 1 for plain types
std::int64_t block_bytes(int type);

bool is_float32(int type);

// True for F32, F16 and BF16: types whose values can be replaced one by one.
bool is_plain_float(int type);

// Widens stored values to float, quantized ones by ggml's own dequantization. `bytes` holds whole blocks for
// values.size() values.
void decode_values(int type, std::span<const std::byte> bytes, std::span<float> values);

// Narrows values to a plain float type: to nearest, ties to even.
void encode_values(int type, std::span<const float> values, std::span<std::byte> bytes);

}  // namespace fakequant
