// How a model's products are computed.
#pragma once

#include <fakequant/compute.hpp>
#include <string>

namespace fakequant {

// "native", "f32".
std::string to_string(Arithmetic arithmetic);

// Throws a usage error for any other name.
Arithmetic parse_arithmetic(const std::string& name);

}  // namespace fakequant
