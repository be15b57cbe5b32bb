// Collects the Hessians of the inputs of weights' products while a model runs (weights/hessian_file.h).
//
// Weights that read the same rows share a Hessian. Rows are gathered and added some at a time, in their order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/product_inputs.h"
#include "weights/hessian_file.h"

namespace fakequant {

class HessianCollector {
 public:
  explicit HessianCollector(int threads) : threads_(threads) {}

  // Before each evaluation: ProductInput::source tells inputs apart within one.
  void begin_evaluation() { sources_.clear(); }

  // For Context::show_inputs.
  void add(const ProductInput& input);

  // What was collected, in the order of the graph; this is empty then.
  std::vector<InputHessian> take();

 private:
  struct Reader {
    std::size_t input = 0;  // index in inputs_
    std::int64_t rows = 0;  // that it has read
  };
  using Source = std::pair<std::pair<const void*, const void*>, std::pair<std::int64_t, std::size_t>>;

  Reader& reader_of(const ProductInput& input);
  void add_gathered(std::size_t input, std::size_t matrix);

  int threads_;
  std::vector<InputHessian> inputs_;
  std::vector<std::vector<std::vector<float>>> gathered_;  // rows of each input's matrices
  std::map<std::string, Reader> readers_;                  // by weight
  std::map<Source, std::size_t> sources_;                  // the input at each, in this evaluation
};

}  // namespace fakequant
