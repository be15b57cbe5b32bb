#include "measure/variant.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"

namespace fakequant {
namespace {

// How the vocabularies differ; empty where they are the same.
std::string vocabulary_difference(const Model& a, const Model& b) {
  if (a.vocabulary_size() != b.vocabulary_size()) {
    return fmt::format("{} tokens and {}", b.vocabulary_size(), a.vocabulary_size());
  }
  for (Token token = 0; token < a.vocabulary_size(); ++token) {
    const auto of_a = a.vocabulary_entry(token), of_b = b.vocabulary_entry(token);
    if (of_a != of_b) return fmt::format("token {} is '{}' and '{}'", token, of_b, of_a);
  }
  return {};
}

ContextOptions options_of(const Variant& variant, ContextOptions options) {
  options.attention = settled(variant.attention, options.attention);
  return options;
}

}  // namespace

LoadedModels::LoadedModels(const std::vector<std::string>& baseline, const ComputeOptions& compute)
    : devices_(compute.devices),
      arithmetic_(compute.arithmetic),
      baseline_files_(baseline),
      baseline_(&load(baseline)) {}

const Model& LoadedModels::load(const std::vector<std::string>& parts) {
  auto& model = models_[parts];
  if (!model) model = std::make_unique<Model>(parts, devices_, arithmetic_);
  return *model;
}

std::unique_ptr<Context> LoadedModels::open_baseline(const ContextOptions& options) const {
  return std::make_unique<Context>(*baseline_, options);
}

const Model& LoadedModels::model_of(const Variant& variant) {
  const auto& model = load(variant.model);
  if (const auto difference = vocabulary_difference(*baseline_, model); !difference.empty()) {
    throw Error(fmt::format("{} and {} have different vocabularies, so that they cannot be compared: {}", model.path(),
                            baseline_->path(), difference));
  }
  return model;
}

std::unique_ptr<Context> LoadedModels::open(const Variant& variant, const ContextOptions& options) {
  if (!variant.taps.empty() || variant.weights) return open_tapped(variant, options);
  return std::make_unique<Context>(model_of(variant), options_of(variant, options));
}

std::unique_ptr<Context> LoadedModels::open_tapped(const Variant& variant, const ContextOptions& common,
                                                   std::shared_ptr<SharedContext> shared) {
  return std::make_unique<Context>(model_of(variant), options_of(variant, common), variant.taps,
                                   variant.weights ? *variant.weights : ChangedWeights{}, std::move(shared));
}

std::vector<std::unique_ptr<Context>> LoadedModels::open_shared(const std::vector<Variant>& variants,
                                                                const ContextOptions& common, int copies) {
  // Those of one model, with attention alike, can share.
  struct Group {
    const Model* model;
    AttentionOptions attention;
    int left;  // contexts that are still to be opened
    std::shared_ptr<SharedContext> shared = {};
    int free = 0;  // places in it
  };
  std::vector<Group> groups;
  const auto group_of = [&](const Variant& variant) -> Group& {
    const auto* model = &model_of(variant);
    const auto attention = options_of(variant, common).attention;
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.model == model && group.attention == attention;
    });
    return found != groups.end() ? *found : groups.emplace_back(Group{model, attention, 0});
  };
  for (const auto& variant : variants) {
    if (!is_baseline(variant)) group_of(variant).left += copies;
  }
  std::vector<std::unique_ptr<Context>> contexts;
  for (const auto& variant : variants) {
    for (int copy = 0; copy < copies; ++copy) {
      if (is_baseline(variant)) {
        contexts.emplace_back();
        continue;
      }
      auto& group = group_of(variant);
      if (group.free == 0) {
        group.free = group.model->has_recurrent_layers() ? 1 : std::min(group.left, SharedContext::max_places());
        group.shared = std::make_shared<SharedContext>(group.free);
      }
      --group.free;
      --group.left;
      contexts.push_back(open_tapped(variant, common, group.shared));
    }
  }
  return contexts;
}

void LoadedModels::free_variants() {
  std::erase_if(models_, [&](const auto& entry) { return entry.second.get() != baseline_; });
}

bool LoadedModels::is_baseline(const Variant& variant) {
  return variant.taps.empty() && !variant.weights && variant.attention == AttentionOptions{} &&
         &model_of(variant) == baseline_;
}

std::vector<std::unique_ptr<Context>> LoadedModels::open(const std::vector<Variant>& variants,
                                                         const ContextOptions& options) {
  std::vector<std::unique_ptr<Context>> contexts;
  for (const auto& variant : variants) contexts.push_back(open(variant, options));
  return contexts;
}

int choose_ctx_size(const Model& model, int asked) {
  if (asked == 0) return std::min(512, model.trained_context());
  if (asked > model.trained_context()) {
    throw usage_error(
        fmt::format("a context of {} tokens is longer than the {} that {} was trained for: give a smaller context size",
                    asked, model.trained_context(), model.path()));
  }
  return asked;
}

}  // namespace fakequant
