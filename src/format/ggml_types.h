// ggml's own tensor types as number formats: values go through ggml's quantizer and back.
//
// What "Q3_K would do to this tensor" is what ggml's code does to it, so that code is called and nothing is written
// again here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.h"

namespace fakequant {

struct GgmlType {
  std::string name;  // in lower case: "q4_k"
  int id = 0;
  std::int64_t block = 1;         // rows are whole blocks of so many values
  std::int64_t bytes = 0;         // that a block takes
  bool needs_importance = false;  // ggml quantizes to it only with an importance matrix
};

// The types that ggml, as it is linked, can quantize to and dequantize from; float32 is none of them.
const std::vector<GgmlType>& ggml_types();

// Null when there is no such type.
const GgmlType* ggml_type_of(std::string_view name);

// The bytes in which ggml stores rows of that type. `row` is a multiple of the type's block, and divides the number of
// values. `importance` has a weight for each column, or is empty. Throws an Error for NaN and infinity, which ggml's
// quantizers do not take, and a usage error when the type needs an importance and there is none.
Buffer<std::byte> ggml_quantize(const GgmlType& type, std::span<const float> values, std::int64_t row,
                                std::span<const float> importance = {});

// Replaces rows by what ggml reads back after it quantized them. Throws as ggml_quantize does.
void ggml_round_trip(const GgmlType& type, std::span<float> values, std::int64_t row,
                     std::span<const float> importance);

}  // namespace fakequant
