#include "measure/channel_collector.h"

#include "format/smoothing.h"

namespace fakequant {

void ChannelCollector::add(const ProductInput& input) {
  auto reader = readers_.find(input.weight);
  if (reader == readers_.end()) {
    const auto [node, is_new] = nodes_.try_emplace({input.node, input.row.size()}, inputs_.size());
    if (is_new) inputs_.push_back({{}, std::vector<float>(input.row.size())});
    inputs_[node->second].weights.push_back(input.weight);
    reader = readers_.emplace(input.weight, node->second).first;
  }
  raise_to_rows(inputs_[reader->second].absmax, input.row);
}

}  // namespace fakequant
