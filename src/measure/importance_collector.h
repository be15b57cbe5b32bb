// Collects an importance matrix while a model runs, as llama-imatrix does: the sums of the inputs, and of their
// squares, of each column of the layers' weights. Sums are in double, in the order of the tokens.
#pragma once

#include "engine/product_inputs.h"
#include "weights/importance_sums.h"

namespace fakequant {

class ImportanceCollector {
 public:
  // For Context::show_inputs. Only weights of layers ("blk.") are collected; llama-imatrix leaves the output out, too.
  void add(const ProductInput& input);

  const std::map<std::string, ColumnSums>& weights() const { return weights_; }

 private:
  std::map<std::string, ColumnSums> weights_;
};

}  // namespace fakequant
