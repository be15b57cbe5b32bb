#include "engine/kernel_input.h"

#include <llama.h>

#include <algorithm>

#include "engine/packed_weights.h"

namespace fakequant {

std::optional<int> product_input_type(int type, std::string_view packing) {
  if (type == GGML_TYPE_F16 && packing == "AMX") return GGML_TYPE_F32;
  switch (type) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
      return type;
    case GGML_TYPE_Q1_0:
    case GGML_TYPE_Q2_0:
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_IQ4_NL:
    case GGML_TYPE_MXFP4:
    case GGML_TYPE_NVFP4:
      return GGML_TYPE_Q8_0;
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q5_1:
      return GGML_TYPE_Q8_1;
    case GGML_TYPE_Q2_K:
    case GGML_TYPE_Q3_K:
    case GGML_TYPE_Q4_K:
    case GGML_TYPE_Q5_K:
    case GGML_TYPE_Q6_K:
    case GGML_TYPE_IQ1_S:
    case GGML_TYPE_IQ1_M:
    case GGML_TYPE_IQ2_XXS:
    case GGML_TYPE_IQ2_XS:
    case GGML_TYPE_IQ2_S:
    case GGML_TYPE_IQ3_XXS:
    case GGML_TYPE_IQ3_S:
    case GGML_TYPE_IQ4_XS:
    case GGML_TYPE_TQ1_0:
    case GGML_TYPE_TQ2_0:
      return GGML_TYPE_Q8_K;
    default:
      return std::nullopt;
  }
}

std::optional<int> input_type_of_changed(const std::map<ggml_tensor*, bool>& tensors, int type) {
  if (tensors.empty()) return std::nullopt;
  const auto factor = std::find_if(tensors.begin(), tensors.end(), [](const auto& tensor) { return tensor.second; });
  const auto& [tensor, may_be_packed] = factor == tensors.end() ? *tensors.begin() : *factor;
  return product_input_type(type, packing_name(buffer_type_for(*tensor, type, may_be_packed)));
}

std::optional<int> kernel_input_type(const GraphNode& node, std::size_t source) {
  if (!node.is_on_host) return std::nullopt;
  switch (node.op) {
    case GGML_OP_MUL_MAT:
    case GGML_OP_MUL_MAT_ID:
      return source == 1 ? product_input_type(node.sources[0].type, node.sources[0].packing) : GGML_TYPE_F32;
    case GGML_OP_FLASH_ATTN_EXT:
      // The query becomes what the cache's keys are, but in large batches, which another kernel computes, it does not.
      if (source == 0 && node.sources[1].type != GGML_TYPE_F32) return std::nullopt;
      return GGML_TYPE_F32;
    case GGML_OP_CPY:
    case GGML_OP_SET_ROWS:
      return source == 0 ? node.type : GGML_TYPE_F32;
    default:
      return GGML_TYPE_F32;
  }
}

}  // namespace fakequant
