// A product with attention's cache, of which each query reads some tokens in full and the rest as they are rounded
// (full_cache.h).
//
// Scores are a product with each cell by itself: all are computed with what is rounded, those that some query reads in
// full once more, and each query takes its own. The mean of the values is a sum over cells: each query's is the sum
// over those that it reads rounded, and the sum over the others added to it. Either sum has the order of
// matrix_product.h, where cells that are not in it count as zero, so that it does not depend on which queries are
// evaluated together.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/full_cache.h"
#include "engine/matrix_product.h"
#include "engine/token_rows.h"

struct ggml_tensor;

namespace fakequant {

// The products of a node with another factor of the same shape but for the number of cells: one for each head, with a
// row of inputs for each query. The factor must outlive them.
using ProductsWith = std::function<std::vector<MatrixProduct>(const ggml_tensor& factor)>;

// Computes products, each so long along k and with so many outputs.
using Multiply =
    std::function<void(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs)>;

// Throws an Error where the factor is no view of the cache, or the inputs' rows are not those of the queries. The
// inputs must be in memory that may be written: some are changed, and restored.
void multiply_cached(const ggml_tensor& factor, const FullCache& cache, const TokenBatch& queries,
                     const ProductsWith& products_with, const Multiply& multiply);

}  // namespace fakequant
