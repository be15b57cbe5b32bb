#include "engine/tensor_swaps.h"

#include <fmt/format.h>
#include <llama.h>

#include "error.h"

namespace fakequant {

TensorSwaps::Place TensorSwaps::place_of(const ggml_tensor& tensor) {
  return {
      tensor.type, {tensor.nb[0], tensor.nb[1], tensor.nb[2], tensor.nb[3]}, tensor.data, tensor.buffer, tensor.extra};
}

void TensorSwaps::put(ggml_tensor& tensor, const Place& place) {
  tensor.type = static_cast<ggml_type>(place.type);
  for (std::size_t i = 0; i < place.strides.size(); ++i) tensor.nb[i] = place.strides[i];
  tensor.data = place.data;
  tensor.buffer = place.buffer;
  tensor.extra = place.extra;
}

void TensorSwaps::add(ggml_tensor& tensor, const ggml_tensor& changed) {
  swaps_.push_back({&tensor, place_of(changed), place_of(tensor)});
}

void TensorSwaps::install() {
  if (is_installed_) return;
  for (const auto& swap : swaps_) put(*swap.tensor, swap.changed);
  is_installed_ = true;
}

void TensorSwaps::remove() {
  if (!is_installed_) return;
  for (const auto& swap : swaps_) put(*swap.tensor, swap.own);
  is_installed_ = false;
}

void put_into(ggml_backend_buffer* buffer, ggml_tensor& tensor) {
  if (ggml_backend_tensor_alloc(buffer, &tensor, ggml_backend_buffer_get_base(buffer)) == GGML_STATUS_SUCCESS) return;
  throw Error(fmt::format("{} cannot take the rounded values of {}",
                          ggml_backend_buft_name(ggml_backend_buffer_get_type(buffer)), tensor.name));
}

ggml_tensor as_type(const ggml_tensor& tensor, int type) {
  auto changed = tensor;
  changed.type = static_cast<ggml_type>(type);
  changed.nb[0] = ggml_type_size(changed.type);
  changed.nb[1] = ggml_row_size(changed.type, tensor.ne[0]);
  changed.nb[2] = changed.nb[1] * static_cast<std::size_t>(tensor.ne[1]);
  changed.nb[3] = changed.nb[2] * static_cast<std::size_t>(tensor.ne[2]);
  changed.data = nullptr;
  changed.buffer = nullptr;
  changed.extra = nullptr;
  return changed;
}

}  // namespace fakequant
