#include "engine/memory_need.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>

#include "engine/backend.h"
#include "engine/load_parts.h"
#include "engine/model.h"
#include "error.h"
#include "gguf/gguf_model.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

// The bytes of "NAME = 12.34 MiB" in a line; 0 if the line does not say NAME.
std::uint64_t bytes_after(std::string_view line, std::string_view name) {
  const auto found = line.find(name);
  if (found == line.npos) return 0;
  auto number = line.substr(found + name.size());
  number.remove_prefix(std::min(number.find_first_not_of(" ="), number.size()));
  const auto value = number_of_text<double>(number.substr(0, number.find(' ')));
  return value ? static_cast<std::uint64_t>(*value * 1024 * 1024) : 0;
}

}  // namespace

MemoryNeed memory_beside_weights(const std::vector<std::string>& parts, int ctx_size,
                                 const AttentionOptions& attention) {
  check_layers(GgufModel(parts));
  start_backends();
  const auto types = settled(attention, Arithmetic::native);
  bool is_made = false;
  clear_engine_error();
  const auto log = engine_log_of([&] {
    ggml_backend_dev_t no_devices[] = {nullptr};
    auto of_model = llama_model_default_params();
    of_model.devices = no_devices;
    of_model.n_gpu_layers = 0;
    of_model.load_mode = LLAMA_LOAD_MODE_NONE;
    of_model.no_alloc = true;
    const std::unique_ptr<llama_model, decltype(&llama_model_free)> model(load_parts(parts, of_model),
                                                                          llama_model_free);
    if (!model) return;
    auto of_context = llama_context_default_params();
    of_context.n_ctx = static_cast<std::uint32_t>(ctx_size);
    of_context.swa_full = false;  // as llama.cpp's tools
    of_context.type_k = static_cast<ggml_type>(cache_type(types.k));
    of_context.type_v = static_cast<ggml_type>(cache_type(types.v));
    if (types.flash == FlashAttention::on) of_context.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    if (types.flash == FlashAttention::off) of_context.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    const std::unique_ptr<llama_context, decltype(&llama_free)> context(llama_init_from_model(model.get(), of_context),
                                                                        llama_free);
    is_made = context != nullptr;
  });
  if (!is_made) {
    throw Error(fmt::format("llama.cpp cannot make a context of {} tokens for {}: {}", ctx_size, parts.front(),
                            engine_error()));
  }
  MemoryNeed need;
  for (std::size_t at = 0; at < log.size();) {
    const auto end = std::min(log.find('\n', at), log.size());
    const auto line = std::string_view(log).substr(at, end - at);
    need.cache += bytes_after(line, ": size =");
    need.compute += bytes_after(line, "compute buffer size") + bytes_after(line, "output buffer size");
    at = end + 1;
  }
  return need;
}

}  // namespace fakequant
