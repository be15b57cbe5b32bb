// Common quantizations of a model, to compare a variant with: who publishes a GGUF chooses between these.
#pragma once

#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "recipe/rule.h"

namespace fakequant {

struct Yardstick {
  std::string name;  // "yardstick q8_0"
  Recipe recipe;
};

// All matrices of the layers in Q8_0, in Q6_K and in Q4_K, each rounded by ggml's own code without an importance
// matrix. A matrix whose rows are no multiple of a type's block gets the type that llama-quantize falls back to.
std::vector<Yardstick> yardsticks(const GgufModel& model);

}  // namespace fakequant
