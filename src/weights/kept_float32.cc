#include "weights/kept_float32.h"

#include <algorithm>
#include <array>

#include "gguf/tensor_type.h"

namespace fakequant {

bool stays_float32(const TensorInfo& tensor) {
  if (!is_float32(tensor.type)) return false;
  if (tensor.shape.size() < 2 || tensor.name.ends_with("_norm.weight")) return true;
  constexpr std::array words = {"ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d",
                                "shortconv",    "time_mix_",     "posnet",      "rope_factors"};
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return tensor.name.find(word) != std::string::npos; });
}

}  // namespace fakequant
