// Products of matrices in float32, whose results are the same bits however they are computed.
//
// result[m][n] = sum over k of input[m][k] * factor[n][k]. Both matrices have their rows along k, as ggml's products
// do. The order of the sum is fixed: within each 256 values along k a chain of fused multiply-adds, in the order of k,
// from zero; then the sums of these parts, in their order. Neither the number of threads, nor how many inputs are
// multiplied together, nor the instruction set changes a bit (where it has fused multiply-adds; SSE has none). The
// second factor need not lie in memory as float32: its rows are read when they are needed, which is where a weight is
// widened.
//
// The kernel is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34, 2008):
// both factors are packed into panels, and a tile of results is kept in registers.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "buffer.h"

namespace fakequant {

// Rows in memory: `values` is the first value of the first; each row begins `stride` values after the one before.
struct FactorRows {
  const float* values = nullptr;
  std::int64_t stride = 0;
};

// The values along k of a partial sum.
inline constexpr std::int64_t kProductPart = 256;

// Gives `count` rows of a second factor from `first` on. They may be written to `scratch`, which has room for them. It
// is called by several threads at once, for different rows.
using RowReader = std::function<FactorRows(std::int64_t first, std::int64_t count, float* scratch)>;

// A product, or one of several of the same shape that are computed together: the heads of attention, the experts of a
// layer.
struct MatrixProduct {
  std::vector<const float*> inputs;  // where each row begins
  std::int64_t input_step = 1;       // from one value of a row to the next
  std::vector<float*> results;       // a row for each input, `outputs` values each
  RowReader factor;                  // `outputs` rows of `length` values
};

// Keeps memory between products.
struct ProductMemory {
  Buffer<float> inputs;
};

// Computes the products, each `length` values long along k. Rethrows what a reader throws.
void multiply(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs, int threads,
              ProductMemory& memory);

}  // namespace fakequant
