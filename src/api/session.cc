// fakequant::Session: evaluations on a model that stays loaded, by the functions that `fakequant eval` calls.
#include <fmt/format.h>

#include <deque>
#include <fakequant/session.hpp>
#include <limits>
#include <mutex>
#include <set>

#include "api/boundary.h"
#include "api/parsed_rules.h"
#include "api/settled_options.h"
#include "measure/eval.h"
#include "measure/prepared_variants.h"
#include "measure/score_statistics.h"
#include "weights/weight_bits.h"

namespace fakequant::v0 {

struct Session::Loaded {
  Loaded(const std::string& path, const fakequant::ComputeOptions& options)
      : file(path), compute(options), models(file.paths(), options) {}

  GgufModel file;
  fakequant::ComputeOptions compute;
  LoadedModels models;
  std::mutex in_use;  // by an evaluation: what a variant changes is changed in the loaded model
};

namespace {

// The variants of an evaluation, made ready.
struct ReadyVariants {
  ReadyVariants(const GgufModel& model, const ApplySettings& storage, const fakequant::ComputeOptions& compute)
      : prepared(model, storage, compute) {}

  std::deque<GgufModel> others;  // models that are measured as they are
  PreparedVariants prepared;
  std::vector<std::vector<TensorRounding>> weights;  // of each variant
};

// How the variant's attention is computed by itself. Throws a usage error where the session cannot compute it so.
OwnAttention own_attention(const RecipeSettings& settings, const fakequant::ComputeOptions& compute) {
  if (!settings.arithmetic.empty() && parse_arithmetic(settings.arithmetic) != compute.arithmetic) {
    throw usage_error(fmt::format("it wants {} arithmetic, and the session computes in {}: open another session",
                                  settings.arithmetic, to_string(compute.arithmetic)));
  }
  const auto attention = attention_of(settings);
  check_attention(settled(attention, compute.attention), compute.arithmetic);
  return {attention, attention_text(settings)};
}

void add_variant(const Variant& variant, const fakequant::ComputeOptions& compute, ReadyVariants& ready) {
  auto& weights = ready.weights.emplace_back();
  if (!variant.model.empty()) {
    if (!variant.rules.empty()) throw usage_error("it has a model, which is measured as it is, and rules: give one");
    return ready.prepared.add_model(variant.name, ready.others.emplace_back(variant.model));
  }
  auto rounding =
      ready.prepared.add(variant.name, parsed_rules(variant.rules), own_attention(variant.settings, compute));
  if (rounding) weights = std::move(rounding->tensors);
}

void refuse_equal_names(const std::vector<Variant>& variants) {
  std::set<std::string> names;
  for (const auto& variant : variants) {
    if (names.insert(variant.name).second) continue;
    throw usage_error(fmt::format("two variants are called '{}': give each a different name", variant.name));
  }
}

fakequant::EvalOptions settled_eval(const EvalOptions& options, const fakequant::ComputeOptions& compute) {
  check_number("tokens of context", options.ctx_size);
  check_number("tokens in a batch", options.batch_size);
  check_number("chunks", options.chunks);
  check_number("tokens before a prediction", options.kv_from);
  check_number("jitters", options.jitters);
  fakequant::EvalOptions eval;
  eval.ctx_size = options.ctx_size;
  eval.chunks = options.chunks;
  eval.kv_from = options.kv_from;
  eval.jitters = options.jitters;
  eval.compute = compute;
  eval.compute.batch_size = options.batch_size;
  eval.progress = options.progress;
  eval.is_stopped = [stop = options.stop] { return stop.stop_requested(); };
  return eval;
}

RoundingCounts counts_of(const RoundingErrors& errors) {
  return {errors.elements, errors.changed, errors.saturated, errors.max_abs, errors.mean_abs(), errors.sqnr_db()};
}

EvaluatedVariant evaluated_variant(const VariantResult& measured, const std::vector<TensorRounding>& weights) {
  EvaluatedVariant variant;
  variant.name = measured.name;
  variant.rules = measured.recipe;
  variant.bits_per_weight = measured.bits_per_weight;
  variant.figures = measured.figures;
  variant.has_overflow = measured.overflow.has_value();
  if (measured.overflow) variant.overflow_site = measured.overflow->site;
  variant.jittered_kld = measured.jittered_kld;
  for (const auto& tensor : weights) {
    variant.weights.push_back({tensor.name, tensor.type, tensor.stored_as, tensor.format, counts_of(tensor.errors)});
  }
  for (const auto& site : measured.sites) {
    variant.activations.push_back({site.site, site.layer, site.format, site.evaluations, counts_of(site.errors)});
  }
  return variant;
}

Evaluation evaluation_of(const EvalResult& result, const std::vector<std::vector<TensorRounding>>& weights) {
  Evaluation evaluation;
  evaluation.is_interrupted = result.is_interrupted;
  evaluation.ctx_size = result.ctx_size;
  evaluation.batch_size = result.batch_size;
  evaluation.chunks = result.chunks;
  evaluation.tokens_evaluated = result.tokens_evaluated;
  evaluation.tokens_scored = result.tokens_scored;
  evaluation.baseline_ppl = result.baseline_ppl;
  for (std::size_t v = 0; v < result.variants.size(); ++v) {
    evaluation.variants.push_back(evaluated_variant(result.variants[v], weights[v]));
  }
  for (const auto& text : result.texts) {
    evaluation.texts.push_back({text.name, text.chunks, text.tokens_scored, text.baseline_ppl, text.variants});
  }
  if (evaluation.chunks == 0) {
    evaluation.baseline_ppl = no_figures().ppl;
    for (auto& variant : evaluation.variants) variant.figures = no_figures();
  }
  return evaluation;
}

// Frees the models that variants had loaded, whatever happens: others may be made in the same place.
class VariantModels {
 public:
  explicit VariantModels(LoadedModels& models) : models_(models) {}
  ~VariantModels() { models_.free_variants(); }
  VariantModels(const VariantModels&) = delete;
  VariantModels& operator=(const VariantModels&) = delete;

 private:
  LoadedModels& models_;
};

}  // namespace

Session::Session(const std::string& model, const ComputeOptions& compute)
    : loaded_(at_boundary([&] { return std::make_unique<Loaded>(model, settled_compute(compute, Arithmetic::f32)); })) {
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const std::string& Session::model() const { return loaded_->file.path(); }

int Session::layers() const { return loaded_->models.baseline().layers(); }

int Session::vocabulary_size() const { return loaded_->models.baseline().vocabulary_size(); }

int Session::trained_context() const { return loaded_->models.baseline().trained_context(); }

Arithmetic Session::arithmetic() const { return loaded_->compute.arithmetic; }

Evaluation Session::evaluate(const std::vector<Variant>& variants, const std::vector<Text>& texts,
                             const EvalOptions& options) {
  return at_boundary([&] {
    const std::lock_guard lock(loaded_->in_use);
    const auto eval = settled_eval(options, loaded_->compute);
    const auto all_texts = settled_texts(texts);
    refuse_equal_names(variants);
    ReadyVariants ready(loaded_->file, settled_storage(options.storage, eval.compute), eval.compute);
    for (const auto& variant : variants) {
      about(fmt::format("variant {}", variant.name), [&] { add_variant(variant, eval.compute, ready); });
    }
    const VariantModels loaded_for_variants(loaded_->models);
    auto evaluation =
        evaluation_of(fakequant::evaluate(loaded_->models, ready.prepared.variants(), all_texts, eval), ready.weights);
    evaluation.baseline_bits = weight_bits(loaded_->file, {}).per_value();
    return evaluation;
  });
}

}  // namespace fakequant::v0
