#include "plan/read_share.h"

#include <algorithm>

namespace fakequant {

ReadShare read_share(const GgufModel& model, const TensorInfo& tensor) {
  if (tensor.name.find("_exps.") != std::string::npos) {
    const auto architecture = model.first().find_string("general.architecture").value_or("");
    const auto experts = model.first().find_integer(architecture + ".expert_count").value_or(0);
    const auto used = model.first().find_integer(architecture + ".expert_used_count").value_or(0);
    if (experts > 0 && used > 0) return {std::min(used, experts), experts};
  }
  // The embedding is a table of rows, unless the output's product reads it, too.
  const bool is_table = (tensor.name == "token_embd.weight" && model.find_tensor("output.weight") != nullptr) ||
                        tensor.name == "per_layer_token_embd.weight";
  if (is_table && tensor.shape.size() > 1 && tensor.shape[1] > 0) return {1, tensor.shape[1]};
  return {};
}

std::int64_t read_elements(const GgufModel& model) {
  std::int64_t elements = 0;
  for (const auto& tensor : model.tensors()) elements += read_share(model, tensor).share(tensor.elements);
  return elements;
}

}  // namespace fakequant
