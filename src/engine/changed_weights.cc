#include "engine/changed_weights.h"

#include <fmt/format.h>
#include <llama.h>

#include <new>

#include "error.h"

namespace fakequant {
namespace {

constexpr std::align_val_t kAlignment{64};  // ggml's kernels want 32

}  // namespace

void TensorBytes::Free::operator()(std::byte* data) const { ::operator delete[](data, kAlignment); }

TensorBytes::TensorBytes(std::size_t size)
    : data_(static_cast<std::byte*>(::operator new[](size, kAlignment))), size_(size) {}

ResidentWeights::~ResidentWeights() {
  remove();
  for (const auto& [buffer, bytes] : buffers_) ggml_backend_buffer_free(buffer);
}

ResidentWeights::Place ResidentWeights::place_of(const ggml_tensor& tensor) {
  return {tensor.type, {tensor.nb[0], tensor.nb[1], tensor.nb[2], tensor.nb[3]}, tensor.data, tensor.buffer};
}

void ResidentWeights::put(ggml_tensor& tensor, const Place& place) {
  tensor.type = static_cast<ggml_type>(place.type);
  for (std::size_t i = 0; i < place.strides.size(); ++i) tensor.nb[i] = place.strides[i];
  tensor.data = place.data;
  tensor.buffer = place.buffer;
}

void ResidentWeights::add(const ChangedWeight& weight, const ModelTensors& tensors) {
  const auto found = tensors.find(weight.name);
  if (found == tensors.end()) return;
  const auto bytes = weight.bytes->bytes();
  auto* device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  auto* buffer = ggml_backend_dev_buffer_from_host_ptr(device, bytes.data(), bytes.size(), bytes.size());
  if (buffer == nullptr) throw Error(fmt::format("ggml cannot use the rounded values of {}", weight.name));
  ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  buffers_.push_back({buffer, weight.bytes});
  for (auto* tensor : found->second) {
    Place changed{weight.type, {}, bytes.data(), buffer};
    const auto type = static_cast<ggml_type>(weight.type);
    changed.strides[0] = ggml_type_size(type);
    changed.strides[1] = ggml_row_size(type, tensor->ne[0]);
    changed.strides[2] = changed.strides[1] * static_cast<std::size_t>(tensor->ne[1]);
    changed.strides[3] = changed.strides[2] * static_cast<std::size_t>(tensor->ne[2]);
    swaps_.push_back({tensor, changed, place_of(*tensor)});
  }
}

void ResidentWeights::install() {
  if (is_installed_) return;
  for (const auto& swap : swaps_) put(*swap.tensor, swap.changed);
  is_installed_ = true;
}

void ResidentWeights::remove() {
  if (!is_installed_) return;
  for (const auto& swap : swaps_) put(*swap.tensor, swap.own);
  is_installed_ = false;
}

}  // namespace fakequant
