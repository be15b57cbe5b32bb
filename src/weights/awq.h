// AWQ (Lin et al., arXiv 2306.00978): columns of a weight that large inputs are multiplied with are themselves
// multiplied before they are rounded, and divided afterwards, so that they lose less than the others.
//
// s_j = m_j^a, divided by the root of the largest times the smallest s; m_j is how large the column's inputs are. The
// exponent a is the one under which the product's output changes least on a calibration text. AWQ takes the mean of
// |x_j| for m_j; here it is the root of the mean of x_j^2, which a file of Hessians has on their diagonals.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weights/gram_sums.h"

namespace fakequant {

// The exponents that are tried: 0, 0.05 ... 0.95. The first multiplies by 1.
inline constexpr int kAwqSteps = 20;

// The diagonal of a Hessian, of which `lower` has the lower triangle row by row.
std::vector<float> diagonal_of(std::span<const float> lower);

// s of each column, in float32, by the Hessian's diagonal. As in AWQ's code, m_j^a is at least 1e-4.
std::vector<float> awq_scales(std::span<const float> diagonal, int step);

// How much errors of a matrix's values change its output: the sum over its rows d of d H d^T, divided by their number.
double output_error(const GramSums& errors, std::span<const float> lower);

}  // namespace fakequant
