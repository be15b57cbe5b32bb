#include "engine/changed_weights.h"

#include <fmt/format.h>
#include <llama.h>

#include <new>

#include "engine/packed_weights.h"
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
  for (auto* buffer : buffers_) ggml_backend_buffer_free(buffer);
}

// Owns the buffer from now on.
ggml_backend_buffer* ResidentWeights::keep(ggml_backend_buffer* buffer, const std::string& weight) {
  if (buffer == nullptr) throw Error(fmt::format("there is no memory for the rounded values of {}", weight));
  buffers_.push_back(buffer);
  ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  return buffer;
}

void ResidentWeights::add(const ChangedWeight& weight, const ModelTensors& tensors) {
  const auto found = tensors.find(weight.name);
  if (found == tensors.end()) return;
  const auto bytes = weight.bytes->bytes();
  ggml_backend_buffer* plain = nullptr;
  for (const auto& [tensor, may_be_packed] : found->second) {
    auto changed = as_type(*tensor, weight.type);
    auto* buffer_type = buffer_type_for(*tensor, weight.type, may_be_packed);
    if (buffer_type == ggml_backend_cpu_buffer_type()) {
      if (plain == nullptr) {
        auto* device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        plain =
            keep(ggml_backend_dev_buffer_from_host_ptr(device, bytes.data(), bytes.size(), bytes.size()), weight.name);
        bytes_.push_back(weight.bytes);
      }
      changed.buffer = plain;
      changed.data = bytes.data();
    } else {
      const auto size = ggml_backend_buft_get_alloc_size(buffer_type, &changed);
      auto* buffer = keep(ggml_backend_buft_alloc_buffer(buffer_type, size), weight.name);
      put_into(buffer, changed);
      ggml_backend_tensor_set(&changed, bytes.data(), 0, bytes.size());
    }
    swaps_.add(*tensor, changed);
  }
}

}  // namespace fakequant
