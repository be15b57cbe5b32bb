#include "engine/compute_options.h"

#include "error.h"

namespace fakequant {

Arithmetic suitable_arithmetic(const ComputeOptions& compute, Arithmetic otherwise) {
  const auto& values = compute.attention.v;
  const bool is_quantized =
      !values.empty() && about("type of the cached values", [&] { return is_quantized_cache(values); });
  return names_devices(compute.devices) || is_quantized ? Arithmetic::native : otherwise;
}

}  // namespace fakequant
