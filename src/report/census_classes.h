// The census with layers folded: one entry for all tensors of a name, whatever their layer, that share type and shape.
#pragma once

#include <string>
#include <vector>

#include "weights/census.h"

namespace fakequant {

struct TensorClass {
  std::string name;  // "blk.0-5.ffn_norm.weight"; the tensor's own where it belongs to no layer
  std::string type;
  std::vector<std::int64_t> shape;
  int tensors = 0;
  std::optional<double> low16_zero_least, low16_zero_most;  // over the tensors
  int mantissa_bits = 0;                                    // the most of any tensor
  std::vector<std::string> lossless_in;                     // formats that hold all of the tensors
  double absmax = 0;                                        // the largest of any tensor
};

// In the order in which their first tensors lie in the file.
std::vector<TensorClass> fold_layers(const Census& census);

// "ffn_norm" for blk.0.ffn_norm.weight; the whole name without .weight for what belongs to no layer.
std::string class_word(const TensorCensus& tensor);

}  // namespace fakequant
