// The exact float32 values of a tensor's rows, whatever type it is stored in.
//
// A row is what lies along the first dimension. Tensors may be views: rows may lie apart, and so may the values of a
// row. Every type of ggml that a product can have is wider in float32, or as wide: nothing is rounded here.
#pragma once

#include <cstdint>

#include "engine/matrix_product.h"

struct ggml_tensor;

namespace fakequant {

// Reads the rows [first, first + count) of the matrix at these indexes of the third and fourth dimension. The tensor
// must lie where the host can reach it, and outlive the reader.
RowReader row_reader(const ggml_tensor& tensor, std::int64_t third, std::int64_t fourth);

// Copies rows of `length` values, which the reader reads, to `values`, one after the other.
void copy_rows(const RowReader& reader, std::int64_t first, std::int64_t count, std::int64_t length, float* values);

// Why such a tensor cannot be read; null where it can.
const char* unreadable_because(const ggml_tensor& tensor);

}  // namespace fakequant
