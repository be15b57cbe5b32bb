// What a model is that llama.cpp runs without a memory of the tokens before.
#pragma once

#include <llama.h>

#include <string>

namespace fakequant {

inline std::string kind_without_memory(const llama_model* model) {
  return llama_model_is_diffusion(model) ? "a diffusion model" : "an encoder or embedding model";
}

}  // namespace fakequant
