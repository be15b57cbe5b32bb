// ggml's own tensor types, quantized and dequantized by ggml's code.
//
// The only header of this folder whose source needs ggml: it is in the library fakequant_ggml_types, beside
// fakequant_format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "format/block_types.h"

namespace fakequant {

// The types that the linked ggml can quantize to and dequantize from, without float32.
const std::vector<BlockType>& ggml_types();

// The types to which ggml rounds only the inputs of products, and in which it stores no tensor: q8_1 and q8_k. By its
// reference quantizers; its kernels for some processors may round otherwise near a tie.
const std::vector<BlockType>& ggml_input_types();

// Makes both known as formats: "q4_k", "ggml:mxfp4", "q8_k".
void register_ggml_types();

// The bytes in which ggml stores rows of that type. `row` is a multiple of the type's block, and divides the number of
// values. `importance` has a weight for each column, or is empty. Throws an Error for NaN and infinity, which ggml's
// quantizers do not take, and a usage error if the type needs an importance and none is given.
Buffer<std::byte> ggml_quantize(const BlockType& type, std::span<const float> values, std::int64_t row,
                                std::span<const float> importance = {});

}  // namespace fakequant
