#include "sweep/sweep_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "error.h"
#include "gguf/tensor_type.h"
#include "measure/text_chunks.h"
#include "study/study_storage.h"
#include "study/study_subject.h"
#include "study/study_totals.h"
#include "sweep/sweep_variant.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Throws where the rule rounds no token of a chunk, so that a plan would take its format for free.
void check_tokens_to_round(const Rule& rule, std::size_t ctx_size) {
  const auto& [sink, recent, group] = rule.cache_tokens;
  if (std::cmp_less_equal(sink + std::max<std::int64_t>(group, 1), ctx_size)) return;
  throw usage_error(
      fmt::format("{} rounds nothing in chunks of {} tokens: take a shorter group=, keep fewer first "
                  "tokens, or take longer chunks",
                  to_string(rule), ctx_size));
}

// A place for the model, and one for a variant of its weights. States of recurrent layers are not shared.
int places_for(const SweepQuestion& question, const Model& model) {
  const bool changes_weights = std::any_of(question.sites.begin(), question.sites.end(),
                                           [](const SitePattern& site) { return site.kind == SiteKind::weight; });
  return changes_weights && !model.has_recurrent_layers() ? 2 : 1;
}

}  // namespace

SweepSession::SweepSession(const SweepRequest& request)
    : request_(request),
      file_(request.model),
      model_(file_.paths(), request.compute.devices, request.compute.arithmetic),
      chunk_plan_(plan_chunks(model_, request.ctx_size, request.compute)),
      shared_(std::make_shared<SharedContext>(places_for(request.question, model_))),
      context_(model_, chunk_plan_.context, {}, {}, shared_) {
  plan_variants();
  read_texts();
  open_study();
}

Context SweepSession::context_with(const ChangedWeights& weights) const {
  return shared_->places() > 1 ? Context(model_, chunk_plan_.context, {}, weights, shared_)
                               : Context(model_, chunk_plan_.context, {}, weights);
}

void SweepSession::plan_variants() {
  ModelSites sites;
  sites.weights = weight_sites(file_);
  for (const auto& activation : context_.sites()) sites.activations.push_back(activation.site);
  sites.weight_layers = layer_count(file_.tensors());
  sites.activation_layers = model_.layers();
  auto plan = plan_sweep(request_.question, sites);
  leave_out_misfits(plan, sites);
  take_shard(plan, request_.shard, request_.shards);
  notes_ = std::move(plan.notes);
  for (auto& planned : plan.variants) {
    auto& variant = variants_.emplace_back();
    variant.planned = std::move(planned);
    variant.name = to_string(variant.planned.rule);
  }
  check_rules();
  // Only after check_rules(): this reads the range and importance files.
  for (auto& variant : variants_) variant.stored = study_variant(variant);
}

// Throws before any work begins if a variant cannot be measured.
void SweepSession::check_rules() {
  for (const auto& variant : variants_) {
    if (variant.is_weight()) {
      plan_rounding(file_, {variant.planned.rule}, request_.storage);
    } else {
      context_.set_recipe({variant.planned.rule});
      check_tokens_to_round(variant.planned.rule, chunk_plan_.shape.ctx_size);
    }
  }
  context_.set_recipe({});
}

void SweepSession::read_texts() {
  for (std::size_t t = 0; t < request_.texts.size(); ++t) {
    TextChunks chunks(model_, request_.texts[t], static_cast<int>(chunk_plan_.shape.ctx_size), request_.chunks);
    auto& text = texts_.emplace_back();
    text.name = request_.texts[t].name;
    while (auto tokens = chunks.next()) {
      text.windows.add(*tokens);
      chunks_.push_back({{static_cast<int>(t), text.chunks++}, std::move(*tokens)});
    }
  }
}

void SweepSession::open_study() {
  std::error_code ignored;
  if (request_.dry_run && !std::filesystem::exists(request_.study, ignored)) return;
  // Shares of a sweep are for several machines.
  const auto writing = request_.shards > 1 ? StudyAccess::write_shared : StudyAccess::write;
  study_.emplace(request_.study, request_.dry_run ? StudyAccess::read : writing);
  const StudyShape shape{model_.layers(), static_cast<int>(chunk_plan_.shape.ctx_size), context_.batch_size()};
  const auto subject = study_subject(file_, request_.texts, request_.compute, shape);
  std::set<std::string> hashes;
  for (const auto& text : subject.texts) {
    if (hashes.insert(text.sha256).second) continue;
    throw usage_error(fmt::format("the text {} is given twice: name it once", text.name));
  }
  study_->check_subject(subject);  // before anything is written
  if (!request_.dry_run) {
    const auto now = seconds_since_1970();
    run_ = {request_.shard, request_.shards, host_name(), now, now};
    study_->transaction([&] {
      study_->set_subject(subject);
      for (auto& variant : variants_) {
        variant.id = study_->add_variant(variant.stored);
        study_->set_sites(variant.id, study_sites(variant.planned));
      }
      run_id_ = study_->add_run(run_);
    });
  }
  resume();
}

// Whether the variant's weights depend on how quantized tensors are stored. In native arithmetic that was always noted.
bool SweepSession::is_stored_otherwise(const SweptVariant& variant) const {
  const auto& sites = variant.planned.sites;
  return variant.is_weight() &&
         (request_.compute.arithmetic == Arithmetic::native ||
          std::any_of(sites.begin(), sites.end(), [&](auto t) { return is_quantized(file_.tensors()[t].type); }));
}

StudyVariant SweepSession::study_variant(const SweptVariant& variant) const {
  const auto& planned = variant.planned;
  return {variant.name,
          planned.site,
          planned.format,
          planned.layer,
          is_stored_otherwise(variant) ? storage_text(request_.storage) : "",
          files_hash(planned.rule.format),
          {},
          {}};
}

// In the untouched model.
int SweepSession::bits_of_value(const Site& activation) const {
  if (!activation.is_cache_write) return 32;
  const auto attention = settled(request_.compute.attention, request_.compute.arithmetic);
  return bits_of_cached_value(activation.roles.front() == kKeyCacheRole ? attention.k : attention.v);
}

std::vector<StudySite> SweepSession::study_sites(const PlannedVariant& planned) const {
  std::vector<StudySite> sites;
  for (const auto index : planned.sites) {
    if (planned.rule.pattern.kind == SiteKind::weight) {
      const auto& tensor = file_.tensors()[index];
      const auto length = std::max<std::int64_t>(1, row_elements(tensor));
      sites.push_back({tensor.name, {tensor.elements / length, length}, static_cast<std::int64_t>(tensor.size) * 8});
    } else {
      const auto& activation = context_.sites()[index];
      const auto values = elements_of(activation.shape);
      const auto length = std::max<std::int64_t>(1, activation.shape[0]);
      sites.push_back({activation.site.name, {values / length, length}, values * bits_of_value(activation.site)});
    }
  }
  return sites;
}

// Reads the results that the study already has.
void SweepSession::resume() {
  const auto known = study_->variants();
  for (auto& variant : variants_) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& entry) {
      return entry.second.recipe == variant.stored.recipe && entry.second.storage == variant.stored.storage;
    });
    if (found == known.end()) continue;
    variant.id = found->first;
    variant.start = found->second.start;
    variant.overflow = found->second.overflow;
    const auto scores = study_->scores(found->first);
    for (const auto& chunk : chunks_) {
      if (const auto score = scores.find(chunk.position); score != scores.end()) variant.scores.insert(*score);
    }
    variant.found = variant.scores.size();
    update_precision(variant);
  }
}

void SweepSession::update_precision(SweptVariant& variant) const {
  if (request_.precision <= 0 || variant.scores.empty()) return;
  const auto sums = total_of(variant.scores);
  const auto kld = sums.kld.mean(sums.count);
  variant.is_precise = kld.error < request_.precision * kld.value;
}

void SweepSession::store(SweptVariant& variant, const ChunkPosition& position, const BaselineSums& baseline,
                         const ScoredChunk& scored) {
  const auto score = sum_of(scored.scores);
  study_->transaction([&] {
    study_->add_score(variant.id, position, baseline, score);
    if (!variant.start) study_->set_start(variant.id, scored.start);
  });
  if (!variant.start) variant.start = scored.start;
  variant.scores[position] = score;
  ++measured_;
  update_precision(variant);
}

void SweepSession::store(SweptVariant& variant, const Overflow& overflow) {
  study_->transaction([&] { study_->set_overflow(variant.id, overflow); });
  variant.overflow = overflow;
}

void SweepSession::store(const std::vector<std::optional<PredictedDivergence>>& predictions) {
  study_->transaction([&] {
    for (std::size_t v = 0; v < variants_.size(); ++v) {
      if (variants_[v].scores.empty() && !variants_[v].overflow && predictions[v])
        study_->set_prediction(variants_[v].id, *predictions[v]);
    }
  });
}

void SweepSession::show_progress(double done, double passes) {
  run_.done = done;
  run_.passes = passes;
  if (seconds_since_1970() >= run_.updated + 1) write_run();
}

void SweepSession::end_run() {
  run_.state = is_interrupted_ ? RunState::interrupted : RunState::complete;
  write_run();
}

void SweepSession::write_run() {
  run_.updated = seconds_since_1970();
  study_->transaction([&] { study_->update_run(run_id_, run_); });
}

SweepResult SweepSession::result() const {
  SweepResult result;
  result.model = request_.model;
  result.study = request_.study;
  result.texts = texts_;
  result.layers = model_.layers();
  result.ctx_size = static_cast<int>(chunk_plan_.shape.ctx_size);
  result.batch_size = context_.batch_size();
  result.threads = request_.compute.threads;
  result.shard = request_.shard;
  result.shards = request_.shards;
  result.precision = request_.precision;
  result.is_by_layer = request_.question.by_layer;
  result.is_dry_run = request_.dry_run;
  result.is_interrupted = is_interrupted_;
  result.measured = measured_;
  result.notes = notes_;
  std::map<StudyDatabase::VariantId, PredictedDivergence> predictions;
  if (study_) {
    predictions = study_->predictions();
    std::map<ChunkPosition, BaselineSums> asked;
    const auto known = study_->baseline();
    for (const auto& chunk : chunks_) {
      if (const auto found = known.find(chunk.position); found != known.end()) asked.insert(*found);
    }
    const auto sums = total_of(asked);
    result.baseline_ppl = perplexity(sums.nll, sums.count);
  }
  for (const auto& variant : variants_) {
    auto stored = variant.stored;
    stored.start = variant.start;
    stored.overflow = variant.overflow;
    const auto predicted = predictions.find(variant.id);
    auto& row = result.variants.emplace_back(
        sweep_variant(stored, study_sites(variant.planned), variant.scores,
                      predicted == predictions.end() ? std::nullopt : std::optional(predicted->second)));
    row.chunks_found = static_cast<int>(variant.found);
    row.is_precise = variant.is_precise;
  }
  result.prediction_quality = quality_of(result.variants);
  return result;
}

}  // namespace fakequant
