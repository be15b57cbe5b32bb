#include "engine/context_parameters.h"

#include <algorithm>

namespace fakequant {
namespace {

// As llama.cpp's tools have it: so many tokens go through the graph together.
constexpr int kMicroBatch = 512;

llama_flash_attn_type flash_attention_type(FlashAttention flash) {
  switch (flash) {
    case FlashAttention::automatic:
      return LLAMA_FLASH_ATTN_TYPE_AUTO;
    case FlashAttention::on:
      return LLAMA_FLASH_ATTN_TYPE_ENABLED;
    case FlashAttention::off:
      return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

}  // namespace

int tokens_together(const ContextOptions& options) {
  return std::min(options.ctx_size, options.batch_size > 0 ? options.batch_size : kMicroBatch);
}

llama_context_params context_parameters(const ContextOptions& options, int places, bool is_offloaded) {
  auto parameters = llama_context_default_params();
  const auto sequences = static_cast<std::uint32_t>(places);
  parameters.n_ctx = static_cast<std::uint32_t>(options.ctx_size) * sequences;
  parameters.n_batch = static_cast<std::uint32_t>(options.ctx_size);
  parameters.n_seq_max = sequences;
  parameters.n_ubatch = static_cast<std::uint32_t>(std::max(tokens_together(options), kMaxFirstTokens));
  if (options.max_outputs > 0) {
    // llama.cpp lays out a graph with an output of each sequence.
    parameters.n_outputs_max =
        std::max(static_cast<std::uint32_t>(std::max(options.max_outputs, kMaxFirstTokens)), sequences);
  }
  parameters.n_threads = options.threads;
  parameters.n_threads_batch = options.threads;
  parameters.offload_kqv = is_offloaded;  // the cache lies with its layer
  parameters.op_offload = false;
  parameters.no_perf = true;
  // As llama.cpp's tools: a layer with an attention window holds no more than that. The order in which its kernels sum
  // then depends on where a token lies; our own sums are to be those of one order.
  parameters.swa_full = options.arithmetic == Arithmetic::f32;
  const auto attention = settled(options.attention, options.arithmetic);
  parameters.type_k = static_cast<ggml_type>(cache_type(attention.k));
  parameters.type_v = static_cast<ggml_type>(cache_type(attention.v));
  parameters.flash_attn_type = flash_attention_type(attention.flash);
  return parameters;
}

}  // namespace fakequant
