#include "serve/playground_variant.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "error.h"
#include "measure/prepared_variants.h"

namespace fakequant {
namespace {

std::string random_id() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", device() & 0xFFFFFFFFU);
  return id;
}

}  // namespace

PlaygroundVariant::PlaygroundVariant() : id_(random_id()) {}

std::size_t PlaygroundVariant::change(const PlaygroundModel& model, const Recipe& recipe, const Progress& progress,
                                      const IsCancelled& is_cancelled) {
  const auto weight_rules = rules_of_kind(recipe, SiteKind::weight);
  const int threads = model.context.threads;
  Variant variant;
  variant.model = model.file.paths();
  variant.taps = rules_of_kind(recipe, SiteKind::activation);
  if (context_ && weight_rules == weight_rules_) {
    context_->set_recipe(variant.taps);
    restart_reader(threads);
    return 0;
  }
  ApplyResult result;
  WeightsInPlace weights;
  if (!weight_rules.empty()) {
    // A rule that cannot be followed is found before the weights are rounded, which takes long.
    if (!variant.taps.empty()) model.models.open_tapped(variant, model.context);
    weights = round(model, weight_rules, result, progress, is_cancelled);
  }
  variant.weights = weights.weights;
  context_ = model.models.open_tapped(variant, model.context);
  restart_reader(threads);
  weight_rules_ = weight_rules;
  weights_ = std::move(weights);
  return static_cast<std::size_t>(std::count_if(result.tensors.begin(), result.tensors.end(),
                                                [](const auto& tensor) { return tensor.errors.elements > 0; }));
}

WeightsInPlace PlaygroundVariant::round(const PlaygroundModel& model, const Recipe& rules, ApplyResult& result,
                                        const Progress& progress, const IsCancelled& is_cancelled) const {
  if (model.is_on_servers)
    throw Error("weights cannot be changed in a model that lies on RPC servers: leave them as they are");
  const auto rounding = rounding_in_place(model.file, rules, model.storage);
  if (!rounding) {
    throw Error(
        "weights that are quantized again cannot be changed while the model runs: serve it with the types promoted");
  }
  return round_in_place(model.file, rounding,
                        {.threads = model.context.threads,
                         .memory = model.memory,
                         .earlier = weights_,
                         .progress = progress,
                         .is_cancelled = is_cancelled},
                        result);
}

}  // namespace fakequant
