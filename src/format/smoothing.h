// Factors of columns: what the values of a row are multiplied by before they are rounded, and divided by afterwards, so
// that columns of different size share a scale better.
//
// SmoothQuant (Xiao et al., arXiv 2211.10438) takes difficulty from a product's input to its weight: column j of the
// input is divided by s_j and that of the weight multiplied by it, s_j = max|x_j|^alpha / max|w_j|^(1 - alpha).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "format/rotation.h"

namespace fakequant {

// What smooth= takes.
struct Smoothing {
  std::string file = {};  // of `calibrate --channels`; empty: there is no smoothing
  double alpha = 0;       // from 0 to 1: how much of the input's range the weight takes

  bool operator==(const Smoothing&) const = default;
};

// s of each column, from the largest magnitudes that the column of the input and that of the weights have. In double,
// rounded to float32. As in SmoothQuant's code, max|w_j| and s_j are at least 1e-5; s_j is 1 where max|x_j| is 0.
std::vector<float> smoothing_scales(std::span<const float> input_absmax, std::span<const float> weight_absmax,
                                    double alpha);

// Raises the magnitudes of columns to those of whole rows. What is not a number stays.
void raise_to_rows(std::span<float> absmax, std::span<const float> rows);

// Multiplies each value by the factor of its column (forward), or divides it by that (back), in float32. The factors
// are those of one row, or of several rows in turn; `first` is the index of the first value's.
void scale_columns(std::span<const float> factors, Turn turn, std::span<float> values, std::size_t first = 0);

}  // namespace fakequant
