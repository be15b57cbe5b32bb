#include "serve/served_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "error.h"
#include "serve/refusal.h"

namespace fakequant {
namespace {

constexpr int kUsualContext = 2048;  // tokens; what harnesses take for granted

}  // namespace

ServedModels::ServedModels(LoadedModels& models, const std::vector<Variant>& variants, int ctx_size,
                           const ComputeOptions& compute)
    : model_(models.baseline()),
      ctx_size_(ctx_size == 0 ? std::min(kUsualContext, model_.trained_context()) : choose_ctx_size(model_, ctx_size)),
      context_(fakequant::context_options(ctx_size_, compute)) {
  context_.batch_size = PromptReader::kBlock;
  context_.max_outputs = PromptReader::kBlock;
  served_.push_back({kBaselineName, {}, 0, models.open_baseline(context_), {}});
  for (const auto& variant : variants) {
    if (variant.name == kBaselineName) {
      throw usage_error(fmt::format("a variant is called '{}', which is the model itself: rename it", variant.name));
    }
    served_.push_back({variant.name, variant.recipe, variant.bits_per_weight, models.open(variant, context_), {}});
  }
  for (auto& served : served_) served.reader = std::make_unique<PromptReader>(*served.context, compute.threads);
}

const ServedModel& ServedModels::find(const std::string& name) const {
  if (name.empty()) return served_.front();
  const auto found =
      std::find_if(served_.begin(), served_.end(), [&](const ServedModel& served) { return served.name == name; });
  if (found != served_.end()) return *found;
  std::vector<std::string> names;
  for (const auto& served : served_) names.push_back(served.name);
  throw Refusal(404, fmt::format("no model is called '{}': take one of {}", name, fmt::join(names, ", ")),
                "model_not_found");
}

}  // namespace fakequant
