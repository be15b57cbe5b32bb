// The scales of a published model whose weights are stored in 8 bits.
//
// A weight's values are its stored codes times the scale of their tensor, row, group or block. The scales are a tensor
// beside it: NAME_scale_inv in checkpoints as DeepSeek's (which multiplies, whatever its name says: DeepSeek-V3's
// inference/kernel.py, weight_dequant, in blocks of 128x128), NAME_scale in those of compressed-tensors (one for the
// tensor, each row, or each group of columns). llama.cpp's converter multiplies by both, in float.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weights/safetensors.h"

namespace fakequant {

struct PublishedScale {
  const SafetensorsTensor* tensor = nullptr;  // null if the weight has none, or one that cannot be applied
  std::vector<std::int64_t> shape;            // the scale's, with as many dimensions as the weight: ne[0] first
  std::vector<std::int64_t> block;            // for each dimension, how many of the weight's values share a scale
  std::vector<std::string> names;             // of the tensors that belong to the weight
  std::string misfit;                         // why the weight's values are not known; empty if they are
};

// The scale of a weight of `published`. The block of a dimension with 128 columns or rows to a scale is 128, of which
// the last may be cut; any other is the ratio of the two shapes.
PublishedScale find_scale(const SafetensorsModel& published, const SafetensorsTensor& weight);

// Multiplies the weight's values [first, first + values.size()) by their scales. Throws an Error if the file cannot be
// read.
void apply_scale(const SafetensorsModel& published, const SafetensorsTensor& weight, const PublishedScale& scale,
                 std::int64_t first, std::span<float> values);

}  // namespace fakequant
