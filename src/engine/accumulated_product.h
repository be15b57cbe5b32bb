// Products of matrices whose partial sums are kept in a narrow float, as the accumulators of some hardware keep them.
//
// result[m][n] = sum over k of input[m][k] * factor[n][k], where the running sum begins at zero; each product is added
// to it by a fused multiply-add in float32, in the order of k; and after each `every` products, and after the last, it
// is rounded to the accumulator's float, to nearest even, as round_reference of format/reference.h does. So it may
// become infinite, and stays that; a NaN stays a NaN. The products themselves are never rounded. Neither the number of
// threads, nor how many inputs are multiplied together, nor the instruction set changes a bit of a number.
//
// Hardware that adds many products at once aligns them to the largest and cuts off what lies below the accumulator's
// last bit (Fasi et al., "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330, 2021). That is not
// done here: the loss that is computed is the one that the width alone causes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/matrix_product.h"
#include "recipe/accumulator.h"

namespace fakequant {

// Computes the products, each `length` values long along k. Rethrows what a reader throws.
void multiply_accumulated(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs,
                          const FloatAccumulator& accumulator, int threads);

}  // namespace fakequant
