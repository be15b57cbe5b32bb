#include "engine/packed_weights.h"

#include <llama.h>

#include <algorithm>
#include <memory>

namespace fakequant {
namespace {

ggml_backend_dev_t processor() { return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU); }

bool is_packed(ggml_backend_buffer_type* type) {
  const auto& packed = packed_buffer_types();
  return std::find(packed.begin(), packed.end(), type) != packed.end();
}

}  // namespace

const std::vector<ggml_backend_buffer_type*>& packed_buffer_types() {
  static const auto all = [] {
    std::vector<ggml_backend_buffer_type*> types;
    const auto get = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(processor()), "ggml_backend_dev_get_extra_bufts"));
    auto* const* next = get == nullptr ? nullptr : get(processor());
    while (next != nullptr && *next != nullptr) types.push_back(*next++);
    return types;
  }();
  return all;
}

bool has_kernel(ggml_backend_buffer_type* packed, int type, const std::array<std::int64_t, 4>& shape) {
  constexpr std::int64_t kTokens = 512;  // as llama.cpp asks
  const std::unique_ptr<ggml_context, decltype(&ggml_free)> context(
      ggml_init({4 * ggml_tensor_overhead(), nullptr, true}), ggml_free);
  auto* weight = ggml_new_tensor(context.get(), static_cast<ggml_type>(type), GGML_MAX_DIMS, shape.data());
  auto* input = ggml_new_tensor_4d(context.get(), GGML_TYPE_F32, shape[0], kTokens, shape[2], shape[3]);
  const auto* product = ggml_mul_mat(context.get(), weight, input);
  const std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer(
      ggml_backend_buft_alloc_buffer(packed, 0), ggml_backend_buffer_free);
  weight->buffer = buffer.get();
  return ggml_backend_dev_supports_op(processor(), product);
}

std::string packing_name(ggml_backend_buffer_type* type) {
  return is_packed(type) ? ggml_backend_buft_name(type) : std::string();
}

bool lies_as_in_file(ggml_backend_buffer_type* type, int tensor_type) {
  if (is_packed(type)) return packing_name(type) == "AMX" && !ggml_is_quantized(static_cast<ggml_type>(tensor_type));
  return ggml_backend_buft_is_host(type);
}

ggml_backend_buffer_type* buffer_type_for(const ggml_tensor& weight, int type, bool may_be_packed) {
  auto* own = ggml_backend_buffer_get_type(weight.buffer);
  if (!is_packed(own) && !ggml_backend_buft_is_host(own)) return own;
  if (!may_be_packed) return ggml_backend_cpu_buffer_type();
  for (auto* packed : packed_buffer_types()) {
    if (has_kernel(packed, type, {weight.ne[0], weight.ne[1], weight.ne[2], weight.ne[3]})) return packed;
  }
  return ggml_backend_cpu_buffer_type();
}

}  // namespace fakequant
