// The type that llama-quantize gives a tensor whose rows are no multiple of the block of the type that was asked for.
#pragma once

#include <string>

namespace fakequant {

// "q5_0" for "q4_k" (llama-quant.cpp, tensor_type_fallback); empty if llama-quantize knows none.
std::string quantize_fallback(const std::string& type);

}  // namespace fakequant
