#include "engine/unmeasured.h"

#include <llama.h>

#include <memory>

#include "engine/backend.h"
#include "engine/load_parts.h"
#include "engine/model_kind.h"

namespace fakequant {
namespace {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};

}  // namespace

std::optional<std::string> why_not_measured(const std::vector<std::string>& parts) {
  start_backends();
  auto parameters = llama_model_default_params();
  parameters.n_gpu_layers = 0;
  const std::unique_ptr<llama_model, FreeModel> model(load_parts(parts, parameters));
  if (!model) return std::nullopt;
  if (llama_model_has_encoder(model.get()) || !llama_model_has_decoder(model.get())) {
    return "a model with an encoder, and not one that only decodes";
  }
  auto small = llama_context_default_params();
  small.n_ctx = 32;
  small.n_batch = 32;
  const std::unique_ptr<llama_context, FreeContext> context(llama_init_from_model(model.get(), small));
  if (!context || llama_get_memory(context.get()) != nullptr) return std::nullopt;
  return kind_without_memory(model.get()) + ", which does not predict the next token";
}

}  // namespace fakequant
