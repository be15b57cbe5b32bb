// How a model's products are computed.
#pragma once

#include <string>

namespace fakequant {

enum class Arithmetic {
  native,  // by llama.cpp's kernels, which round the inputs of a product to the type that goes with the weights'
  f32,     // in float32, from the exact values of weights, inputs and cache: reference_arithmetic.h
};

// "native", "f32".
std::string to_string(Arithmetic arithmetic);

// Throws a usage error for any other name.
Arithmetic parse_arithmetic(const std::string& name);

}  // namespace fakequant
