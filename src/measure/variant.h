// What is measured against the baseline: a name, a model file (the baseline's own, or one with rounded weights) and the
// activation rules of its tap.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/changed_weights.h"
#include "engine/compute_options.h"
#include "engine/context.h"
#include "engine/model.h"
#include "progress.h"
#include "recipe/rule.h"

namespace fakequant {

struct Variant {
  std::string name;
  std::vector<std::string> model;  // the paths of its files
  Recipe taps;                     // activation rules; without any there is no tap
  std::string recipe;              // all its rules in one line, for reports
  std::string other_model;         // the path of a model that is measured as it is, for reports
  double bits_per_weight = 0;      // scales included, as the recipe's formats store the weights; for reports
  std::shared_ptr<const ChangedWeights> weights = {};  // that are changed in the loaded model; null for none
  AttentionOptions attention = {};                     // of its own; what it leaves out is as in the baseline
};

// Loaded models and the contexts that run them. A file that several variants or several measurements share is loaded
// once, for as long as this lives.
class LoadedModels {
 public:
  // Loads the baseline from its files. All models lie on these devices, made ready for this arithmetic.
  explicit LoadedModels(const std::vector<std::string>& baseline, const ComputeOptions& compute = {});

  const Model& baseline() const { return *baseline_; }
  const std::vector<std::string>& baseline_files() const { return baseline_files_; }

  // Whether a variant is the baseline itself.
  bool is_baseline(const Variant& variant);

  // A context without a tap on the baseline, and one for each variant. This must outlive them.
  std::unique_ptr<Context> open_baseline(const ContextOptions& options) const;
  std::vector<std::unique_ptr<Context>> open(const std::vector<Variant>& variants, const ContextOptions& options);
  std::unique_ptr<Context> open(const Variant& variant, const ContextOptions& options);
  std::unique_ptr<Context> open_tapped(const Variant& variant, const ContextOptions& options,
                                       std::shared_ptr<SharedContext> shared = std::make_shared<SharedContext>());

  // The same contexts as open() makes, which share llama.cpp's as far as they can: they are evaluated one after the
  // other, and the logits of each are valid until the next computes. Those of a variant that is the baseline itself are
  // null. Each variant has `copies` of them, one after the other.
  std::vector<std::unique_ptr<Context>> open_shared(const std::vector<Variant>& variants, const ContextOptions& options,
                                                    int copies);

  // Frees the models of variants. No context on them may be left.
  void free_variants();

  // Loads a variant's model. Throws an Error when its vocabulary is not the baseline's.
  const Model& model_of(const Variant& variant);

 private:
  const Model& load(const std::vector<std::string>& parts);

  DeviceOptions devices_;
  Arithmetic arithmetic_;
  std::vector<std::string> baseline_files_;
  std::map<std::vector<std::string>, std::unique_ptr<Model>> models_;
  const Model* baseline_;
};

// The context size to measure with: `asked`, or min(512, what the model was trained for) where asked is 0. Throws a
// usage error where the model was trained for less than was asked for.
int choose_ctx_size(const Model& model, int asked);

}  // namespace fakequant
