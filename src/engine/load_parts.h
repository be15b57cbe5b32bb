// Loads a model from its files, which are the parts of a split model or one.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace fakequant {

// Null where llama.cpp cannot load it. The caller frees the model.
inline llama_model* load_parts(const std::vector<std::string>& parts, const llama_model_params& parameters) {
  std::vector<const char*> paths;
  for (const auto& part : parts) paths.push_back(part.c_str());
  return paths.size() == 1 ? llama_model_load_from_file(paths[0], parameters)
                           : llama_model_load_from_splits(paths.data(), paths.size(), parameters);
}

}  // namespace fakequant
