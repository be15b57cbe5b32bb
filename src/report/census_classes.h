// The census with layers folded: one entry for the tensors of all layers that share name, type and shape.
#pragma once

#include <string>
#include <vector>

#include "weights/census.h"

namespace fakequant {

struct TensorClass {
  std::string name;  // "blk.0-5.ffn_norm.weight"; the tensor's name if it belongs to no layer
  std::string type;
  std::vector<std::int64_t> shape;
  int tensors = 0;
  std::optional<double> low16_zero_min, low16_zero_max;  // over the tensors
  int mantissa_bits = 0;                                 // the maximum over the tensors
  std::vector<std::string> lossless_in;                  // formats that hold all tensors exactly
  double absmax = 0;                                     // the maximum over the tensors
  int mantissa_width = 23;                               // as in TensorCensus
};

// In the order of their first tensors in the file.
std::vector<TensorClass> fold_layers(const Census& census);

// "ffn_norm" for blk.0.ffn_norm.weight; the whole name without .weight for a tensor of no layer.
std::string class_word(const TensorCensus& tensor);

}  // namespace fakequant
