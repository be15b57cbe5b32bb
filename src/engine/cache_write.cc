#include "engine/cache_write.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/tensor_rows.h"
#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kKeyCache = "cache_k_l", kValueCache = "cache_v_l",
                           kStateCache = "cache_s_l",  // and the layer's number
    kStateOfPlamo2 = "mamba_ssm_states-";              // to which its graph renames them

std::optional<int> number_after(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return number_of_text<int>(name.substr(prefix.size()));
}

bool shows_its_source(const ggml_tensor& tensor) {
  switch (tensor.op) {
    case GGML_OP_VIEW:
    case GGML_OP_RESHAPE:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
    case GGML_OP_CONT:
      return true;
    default:
      return false;
  }
}

// The shape of the values: what llama.cpp makes rows of has a dimension for heads and one for tokens.
NodeShape shape_of_values(const ggml_tensor& written) {
  const bool is_transposed = written.ne[0] == 1 && written.op == GGML_OP_RESHAPE;
  const auto& rows = is_transposed ? *written.src[0] : written;  // a token in each
  const auto width = rows.ne[0], tokens = rows.ne[1];
  auto head = width;
  for (const auto* tensor = &rows; tensor != nullptr; tensor = shows_its_source(*tensor) ? tensor->src[0] : nullptr) {
    const bool has_heads = tensor->ne[0] * tensor->ne[1] == width && tensor->ne[2] == tokens && tensor->ne[3] == 1;
    if (has_heads) head = std::min(head, tensor->ne[0]);
  }
  return {head, width / head, tokens, 1};
}

// The tensor that computed what a chain of views shows; null where something outside of the graph did.
const ggml_tensor* computed_by(const ggml_tensor* tensor) {
  while (tensor != nullptr && shows_its_source(*tensor)) tensor = tensor->src[0];
  return tensor;
}

// The shape of the state that an operation's result has after its output, without a shape there; none for another
// operation. RWKV and gated linear attention have a square matrix for each head.
std::optional<NodeShape> state_behind(const ggml_tensor& result, std::int64_t elements) {
  const auto shape_of_read = [](const ggml_tensor& state) {
    return NodeShape{state.ne[0], state.ne[1], state.ne[2], 1};
  };
  switch (result.op) {
    case GGML_OP_SSM_SCAN:
      return shape_of_read(*result.src[0]);
    case GGML_OP_GATED_DELTA_NET:
      return shape_of_read(*result.src[5]);
    case GGML_OP_RWKV_WKV6:
    case GGML_OP_RWKV_WKV7:
    case GGML_OP_GATED_LINEAR_ATTN: {
      const auto head = result.src[0]->ne[0];
      return NodeShape{head, head, elements / (head * head), 1};
    }
    default:
      return std::nullopt;
  }
}

// None where the node only moves states, as llama.cpp does for the sequences that it does not evaluate.
std::optional<NodeShape> shape_of_state(const ggml_tensor& node) {
  const auto* source = computed_by(node.src[0]);
  const auto elements = ggml_nelements(&node);
  if (source == nullptr || source->op == GGML_OP_GET_ROWS || elements == 0) return std::nullopt;
  const NodeShape own{source->ne[0], source->ne[1], source->ne[2], source->ne[3]};
  const auto shape = state_behind(*source, elements).value_or(own);
  return elements_of(shape) == elements ? shape : NodeShape{elements, 1, 1, 1};
}

std::optional<CacheWrite> state_write_of(const ggml_tensor& node) {
  if (node.op != GGML_OP_CPY || node.view_src == nullptr || node.type != GGML_TYPE_F32) return std::nullopt;
  const auto& cache = whole_of(node);
  auto layer = number_after(kStateCache, cache.name);
  if (!layer) layer = number_after(kStateOfPlamo2, cache.name);
  if (!layer) return std::nullopt;
  const auto shape = shape_of_state(node);
  return shape ? std::optional(CacheWrite{CacheWrite::state, *layer, *shape}) : std::nullopt;
}

void check_reachable(const ggml_tensor& node) {
  for (const ggml_tensor* tensor :
       {&node, static_cast<const ggml_tensor*>(node.src[0]), static_cast<const ggml_tensor*>(node.src[1])}) {
    if (tensor->buffer == nullptr || ggml_backend_buffer_is_host(tensor->buffer)) continue;
    throw Error(fmt::format("a device holds {}: what is written there can be neither rounded nor shown", node.name));
  }
  if (node.src[0]->type != GGML_TYPE_F32 || node.src[0]->ne[2] * node.src[0]->ne[3] != 1) {
    throw Error(fmt::format("what is written into {} is not rows of F32: this version of llama.cpp is not understood",
                            node.name));
  }
}

std::int64_t row_number(const ggml_tensor& numbers, std::int64_t index) {
  const auto* at = static_cast<const std::byte*>(numbers.data) + static_cast<std::size_t>(index) * numbers.nb[0];
  if (numbers.type == GGML_TYPE_I32) return *reinterpret_cast<const std::int32_t*>(at);
  return *reinterpret_cast<const std::int64_t*>(at);
}

}  // namespace

std::optional<CacheWrite> cache_write_of(const ggml_tensor& node) {
  if (node.op != GGML_OP_SET_ROWS) return state_write_of(node);
  if (node.view_src == nullptr || node.src[0] == nullptr) return std::nullopt;
  const auto& cache = whole_of(node);
  const auto of_keys = number_after(kKeyCache, cache.name), of_values = number_after(kValueCache, cache.name);
  if (!of_keys && !of_values) return std::nullopt;
  return CacheWrite{of_keys ? CacheWrite::keys : CacheWrite::values, of_keys ? *of_keys : *of_values,
                    shape_of_values(*node.src[0])};
}

const ggml_tensor& whole_of(const ggml_tensor& view) {
  const auto* whole = &view;
  while (whole->view_src != nullptr) whole = whole->view_src;
  return *whole;
}

std::size_t place_of_row(const ggml_tensor& node, std::int64_t row) {
  const auto number = row_number(*node.src[1], row);
  if (number < 0 || number >= node.ne[1]) throw Error(fmt::format("{} has no row {}", node.name, number));
  return node.view_offs + static_cast<std::size_t>(number) * node.nb[1];
}

void store_row(const ggml_tensor& cache, std::span<const float> values, std::byte* row) {
  const auto length = static_cast<std::int64_t>(values.size());
  switch (cache.type) {
    case GGML_TYPE_F32:
      std::memcpy(row, values.data(), values.size_bytes());
      return;
    case GGML_TYPE_F16:
      ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(row), length);
      return;
    case GGML_TYPE_BF16:
      ggml_fp32_to_bf16_row(values.data(), reinterpret_cast<ggml_bf16_t*>(row), length);
      return;
    default:
      throw usage_error(
          fmt::format("the cache is held in {}, and what is rounded already cannot be rounded to another format: hold "
                      "it in f32, f16 or bf16",
                      ggml_type_name(cache.type)));
  }
}

void read_cache_write(const ggml_tensor& node, std::vector<float>& values) {
  check_reachable(node);
  const auto& from = *node.src[0];
  values.resize(static_cast<std::size_t>(ggml_nelements(&from)));
  copy_rows(row_reader(from, 0, 0), 0, from.ne[1], from.ne[0], values.data());
}

void replace_cache_write(const ggml_tensor& node, std::span<const float> values) {
  check_reachable(node);
  const auto& cache = whole_of(node);
  const auto length = node.src[0]->ne[0];
  for (std::int64_t r = 0; r < node.src[0]->ne[1]; ++r) {
    store_row(cache, values.subspan(static_cast<std::size_t>(r * length), static_cast<std::size_t>(length)),
              static_cast<std::byte*>(cache.data) + place_of_row(node, r));
  }
}

}  // namespace fakequant
