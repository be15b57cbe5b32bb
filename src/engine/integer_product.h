// Products of matrices whose partial sums are kept in integers of N bits, as processors keep them that multiply codes.
//
// The values of both factors are taken back to integer codes (integer_codes.h), each `every` values of a row by
// themselves; 0: a row as a whole. The products of codes are added in the order of k to an integer of N
// bits that begins at zero. After each addition it saturates, or wraps around as two's complement does. After each
// `every` products (0: all of a row) it is converted to float32, multiplied by the product of both steps, and added to
// the result in float32. Neither the number of threads, nor how many inputs are multiplied together, nor the
// instruction set changes a bit.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/matrix_product.h"
#include "recipe/accumulator.h"

namespace fakequant {

// Computes the products, each `length` values long along k. Throws an Error where values have no codes; rethrows what a
// reader throws.
void multiply_integers(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs,
                       const IntegerAccumulator& accumulator, int threads);

}  // namespace fakequant
