// The tensors of a loaded model, by their names in the file. A name may have several: embeddings that are the output's
// matrix as well.
//
// Of each is known whether llama.cpp may pack it anew for a kernel (packed_weights.h): if nothing but products read it,
// as the first factor.
#pragma once

#include <map>
#include <string>

struct ggml_tensor;

namespace fakequant {

using ModelTensors = std::map<std::string, std::map<ggml_tensor*, bool>>;  // bool: it may be packed

inline void add_tensor(ModelTensors& tensors, const std::string& name, ggml_tensor* tensor, bool may_be_packed) {
  const auto [known, is_new] = tensors[name].try_emplace(tensor, may_be_packed);
  if (!is_new) known->second &= may_be_packed;
}

inline void add_tensors(ModelTensors& tensors, const ModelTensors& more) {
  for (const auto& [name, of_name] : more) {
    for (const auto& [tensor, may_be_packed] : of_name) add_tensor(tensors, name, tensor, may_be_packed);
  }
}

}  // namespace fakequant
