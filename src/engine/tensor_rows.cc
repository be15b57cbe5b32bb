#include "engine/tensor_rows.h"

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "format/half_precision.h"

namespace fakequant {
namespace {

void widen_row(const ggml_tensor& tensor, const std::byte* row, std::span<float> values) {
  const auto size = ggml_type_size(tensor.type);
  if (tensor.nb[0] != size) {  // values that lie apart; blocks cannot
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto* value = row + i * tensor.nb[0];
      if (tensor.type == GGML_TYPE_F32) {
        values[i] = *reinterpret_cast<const float*>(value);
      } else {
        ggml_get_type_traits(tensor.type)->to_float(value, &values[i], 1);
      }
    }
    return;
  }
  switch (tensor.type) {
    case GGML_TYPE_F16:
      return widen(Half::f16, reinterpret_cast<const std::uint16_t*>(row), values);
    case GGML_TYPE_BF16:
      return widen(Half::bf16, reinterpret_cast<const std::uint16_t*>(row), values);
    default:
      ggml_get_type_traits(tensor.type)->to_float(row, values.data(), static_cast<std::int64_t>(values.size()));
  }
}

}  // namespace

RowReader row_reader(const ggml_tensor& tensor, std::int64_t third, std::int64_t fourth) {
  const auto* matrix = static_cast<const std::byte*>(tensor.data) + static_cast<std::size_t>(third) * tensor.nb[2] +
                       static_cast<std::size_t>(fourth) * tensor.nb[3];
  const auto length = tensor.ne[0];
  if (tensor.type == GGML_TYPE_F32 && tensor.nb[0] == sizeof(float) && tensor.nb[1] % sizeof(float) == 0) {
    const auto stride = static_cast<std::int64_t>(tensor.nb[1] / sizeof(float));
    return [matrix, stride](std::int64_t first, std::int64_t, float*) {
      return FactorRows{reinterpret_cast<const float*>(matrix) + first * stride, stride};
    };
  }
  return [&tensor, matrix, length](std::int64_t first, std::int64_t count, float* scratch) {
    for (std::int64_t i = 0; i < count; ++i) {
      widen_row(tensor, matrix + static_cast<std::size_t>(first + i) * tensor.nb[1],
                {scratch + i * length, static_cast<std::size_t>(length)});
    }
    return FactorRows{scratch, length};
  };
}

void copy_rows(const RowReader& reader, std::int64_t first, std::int64_t count, std::int64_t length, float* values) {
  const auto rows = reader(first, count, values);
  if (rows.values == values) return;
  for (std::int64_t i = 0; i < count; ++i) std::copy_n(rows.values + i * rows.stride, length, values + i * length);
}

const char* unreadable_because(const ggml_tensor& tensor) {
  if (tensor.buffer == nullptr || !ggml_backend_buffer_is_host(tensor.buffer)) return "lies on a device";
  if (tensor.type != GGML_TYPE_F32 && ggml_get_type_traits(tensor.type)->to_float == nullptr) {
    return "has a type without values in float32";
  }
  return nullptr;
}

}  // namespace fakequant
