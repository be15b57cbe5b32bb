// The types that llama-quantize gives the tensors of a model: "q4_k_m" is no type but a mix of several.
//
// llama.cpp chooses them by its own rules, which it has in no public function and changes now and then. But it says
// them: a dry run of llama_model_quantize reads no data, writes nothing, and logs a line for each tensor. Those lines
// are read here, so the types are those of the llama.cpp that is linked, whatever its version.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"

namespace fakequant {

struct QuantizationMix {
  std::uint32_t file_type = 0;  // general.file_type
  // By name, the type that each tensor gets, and the type that it would get if its rows were multiples of that type's
  // block ("q4_k"; empty where they are).
  struct Type {
    int type = 0;
    std::string instead_of;
  };
  std::map<std::string, Type> types;
};

// A weight's importances, as an importance matrix has them. What llama.cpp chooses depends on whether there are any.
struct WeightImportance {
  std::string name;
  std::span<const float> values;
};

// The names that quantization_mix() knows, those of llama-quantize in lower case: "q4_k_m", "iq4_xs", "f16".
std::vector<std::string> quantization_mixes();

// The mix of that name, in any case. Throws a usage error that lists the names if there is no such mix, or if llama.cpp
// makes it only with an importance matrix; an Error if llama.cpp does not know the model's architecture.
QuantizationMix quantization_mix(const GgufModel& model, const std::string& name,
                                 const std::vector<WeightImportance>& importance);

}  // namespace fakequant
