// Collects the largest magnitude of each channel of the products' inputs while a model runs (gguf/channel_file.h).
//
// Weights whose products read the values of the same node share its channels: query, key and value, gate and up, the
// router and all experts.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/product_inputs.h"
#include "gguf/channel_file.h"

namespace fakequant {

class ChannelCollector {
 public:
  // Before each evaluation: ProductInput::node tells inputs apart within one.
  void begin_evaluation() { nodes_.clear(); }

  // For Context::show_inputs.
  void add(const ProductInput& input);

  // What was collected, in the order of the graph; this is empty then.
  std::vector<InputChannels> take() { return std::move(inputs_); }

 private:
  std::vector<InputChannels> inputs_;
  std::map<std::string, std::size_t> readers_;                        // the input of each weight
  std::map<std::pair<const void*, std::size_t>, std::size_t> nodes_;  // the input of each node and number of columns
};

}  // namespace fakequant
