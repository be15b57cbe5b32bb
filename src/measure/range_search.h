// Searches for the magnitude beyond which a site's values are clipped, in their counts by magnitude.
//
// The counts are of bins of equal width (linear_bins.h), and the last one is not 0. Both searches are those of the
// histogram calibrators of NVIDIA ModelOpt (modelopt.torch.quantization.calib), whose entropy is TensorRT's.
#pragma once

#include <cstdint>
#include <span>

#include "format/format.h"

namespace fakequant {

// No magnitude in fewer bins than these is tried.
inline constexpr std::size_t kFewestBins = 128;

// How many bins to keep, so that their distribution, with all that is beyond counted in the last one, differs least
// from what it becomes where 2^(bits-1) levels take the place of the bins: the one with the smallest KL divergence, the
// largest of equals. Bin 0, which has the zeros, counts as bin 1 does.
std::size_t least_divergent_bins(std::span<const std::int64_t> counts, int bits);

// The middle of the bin that as the absmax of `format`, one with a fixed range, gives the smallest sum of squared
// errors, where the values are taken to lie in the middle of their bins; the smallest of equals.
double least_error_magnitude(std::span<const std::int64_t> counts, double width, const Format& format);

}  // namespace fakequant
