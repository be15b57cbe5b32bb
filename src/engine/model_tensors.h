// The tensors of a loaded model, by their names in the file. A name may have several: embeddings that are the output's
// matrix as well.
#pragma once

#include <map>
#include <set>
#include <string>

struct ggml_tensor;

namespace fakequant {

using ModelTensors = std::map<std::string, std::set<ggml_tensor*>>;

inline void add_tensors(ModelTensors& tensors, const ModelTensors& more) {
  for (const auto& [name, of_name] : more) tensors[name].insert(of_name.begin(), of_name.end());
}

}  // namespace fakequant
