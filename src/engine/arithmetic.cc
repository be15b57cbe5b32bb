#include "engine/arithmetic.h"

#include <fmt/format.h>

#include "error.h"

namespace fakequant {

std::string to_string(Arithmetic arithmetic) { return arithmetic == Arithmetic::f32 ? "f32" : "native"; }

Arithmetic parse_arithmetic(const std::string& name) {
  for (const auto arithmetic : {Arithmetic::native, Arithmetic::f32}) {
    if (to_string(arithmetic) == name) return arithmetic;
  }
  throw usage_error(fmt::format("arithmetic '{}' is unknown: take f32 or native", name));
}

}  // namespace fakequant
