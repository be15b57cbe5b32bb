#include "engine/node_values.h"

#include <fmt/format.h>
#include <llama.h>

#include "engine/cache_write.h"
#include "error.h"

namespace fakequant {
namespace {

bool writes_keys_or_values(const ggml_tensor* node) {
  const auto write = cache_write_of(*node);
  return write && write->part != CacheWrite::state;
}

}  // namespace

NodeShape shape_of(const ggml_tensor* node) {
  if (const auto write = cache_write_of(*node)) return write->shape;
  return {node->ne[0], node->ne[1], node->ne[2], node->ne[3]};
}

std::span<float> read_values(const ggml_tensor* node, const std::string& site, std::vector<float>& staging) {
  if (writes_keys_or_values(node)) {
    read_cache_write(*node, staging);
    return staging;
  }
  if (!ggml_is_contiguous(node)) {
    throw Error(fmt::format("the values of {} are not contiguous: this activation cannot be rounded or shown", site));
  }
  const auto count = static_cast<std::size_t>(ggml_nelements(node));
  if (ggml_backend_buffer_is_host(node->buffer)) return {static_cast<float*>(node->data), count};
  staging.resize(count);
  ggml_backend_tensor_get(node, staging.data(), 0, ggml_nbytes(node));
  return staging;
}

void write_values(ggml_tensor* node, std::span<const float> values) {
  if (writes_keys_or_values(node)) return replace_cache_write(*node, values);
  if (ggml_backend_buffer_is_host(node->buffer)) return;
  ggml_backend_tensor_set(node, values.data(), 0, values.size_bytes());
}

}  // namespace fakequant
