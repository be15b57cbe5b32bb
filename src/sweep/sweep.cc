#include "sweep/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <set>

#include "error.h"
#include "format/random_words.h"
#include "gguf/gguf_model.h"
#include "gguf/model_hash.h"
#include "gguf/sha256.h"
#include "measure/kept_baseline.h"
#include "engine/environment.h"
#include "sweep/local_errors.h"
#include "sweep/predict_divergence.h"
#include "measure/prepared_variants.h"
#include "study/study_database.h"
#include "study/study_storage.h"
#include "study/study_totals.h"

namespace fakequant {
namespace {

constexpr std::size_t kMostKept = std::size_t{512} << 20;  // bytes of what the baseline computed

// Of a prediction: what it may cost unless that is said, as a part of the whole sweep, and what it is spent on.
constexpr double kBudget = 0.1;
constexpr double kWidePart = 0.2;             // cheap variants on all chunks, which tell how these differ,
constexpr double kProbesPart = 0.7;           // of the rest, variants that tell of the others on some chunks,
constexpr double kChecksPart = 0.5;           // and, of what is left then, those drawn by lot
constexpr double kBaselinePasses = 3;         // of such a chunk: for the local errors, and twice to be compared with
constexpr std::size_t kLocalErrorChunks = 4;  // at most

// A chunk of a text.
struct TextChunk {
  ChunkPlace place;
  std::vector<Token> tokens;
};

// A variant while it is measured.
struct Work {
  PlannedVariant planned;
  std::string name;     // its rule
  StudyVariant stored;  // as the study has it, but for where it starts
  StudyDatabase::VariantId id = 0;
  std::map<ChunkPlace, ScoreSums> scores;  // of the chunks that are asked for
  std::size_t found = 0;                    // of them, that the study had before
  std::optional<StartingPoint> start;
  bool is_precise = false;
  bool is_probed = false;  // while only some variants are measured,
  bool is_wide = false;    // and this one on all chunks

  bool is_weight() const { return planned.rule.pattern.kind == SiteKind::weight; }
};

using Predictions = std::vector<std::optional<PredictedDivergence>>;

// How much it matters that each variant is known: those that lose more than most count alike, the others the less, the
// less they lose.
std::vector<double> weights_of(const Predictions& predictions) {
  std::vector<double> klds;
  for (const auto& prediction : predictions) klds.push_back(prediction ? prediction->kld : 0);
  auto sorted = klds;
  std::sort(sorted.begin(), sorted.end());
  const double middle = sorted[sorted.size() / 2];
  std::vector<double> weights;
  for (const double kld : klds) weights.push_back(middle > 0 ? std::min(1.0, kld / middle) : 1.0);
  return weights;
}

class Sweep {
 public:
  explicit Sweep(const SweepRequest& request)
      : request_(request),
        file_(request.model),
        model_(file_.paths(), request.compute.devices),
        plan_(plan_chunks(model_, request.ctx_size, request.compute.batch_size, request.compute.threads)),
        context_(model_, plan_.context, {}) {}

  SweepResult run() {
    const auto begin = std::chrono::steady_clock::now();
    plan_variants();
    read_texts();
    open_study();
    if (!request_.dry_run) {
      if (request_.predicts) {
        predict();
      } else {
        measure();
      }
    }
    fill_in();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return std::move(result_);
  }

 private:
  void plan_variants();
  void check_rules();
  void read_texts();
  StudySubject subject();
  void open_study();
  StudyVariant study_variant(const Work& work) const;
  std::vector<StudySite> study_sites(const PlannedVariant& planned) const;
  void take_what_is_there();
  void measure();
  bool is_stopped() { return result_.is_interrupted = request_.is_stopped && request_.is_stopped(); }
  bool needs(const Work& work, const ChunkPlace& place) const {
    if (is_predicting_ && !(work.is_probed && (work.is_wide || probe_places_.contains(place)))) return false;
    return !work.is_precise && !work.scores.contains(place);
  }
  bool is_needed(const ChunkPlace& place) const;
  std::vector<KeptBaseline> keep_block(std::vector<TextChunk>::const_iterator& next);
  void measure_block(Work& work, const std::vector<KeptBaseline>& block);
  void measure_chunks(Work& work, Context& context, const std::vector<KeptBaseline>& block);
  void look_whether_precise(Work& work) const;
  double cost(const Work& work) const;
  void predict();
  std::vector<std::size_t> shuffled() const;
  void plan_probes();
  void choose_wide();
  std::vector<VariantEvidence> find_evidence();
  void take_scores(std::vector<VariantEvidence>& evidence, bool only_probes) const;
  void probe(const std::vector<std::size_t>& chosen);
  std::vector<std::size_t> draw_checks(const ProbeChoice& choice) const;
  std::vector<std::size_t> least_of_sites(const Predictions& predictions, const ProbeChoice& choice) const;
  void write_predictions(const Predictions& predictions);
  void plan_progress();
  void tell(const Work& work, double cost);
  void fill_in();

  const SweepRequest& request_;
  GgufModel file_;
  Model model_;
  ChunkPlan plan_;
  Context context_;
  std::vector<TextChunk> chunks_;
  std::map<const Token*, ChunkPlace> places_;  // of the chunks, by where their tokens lie
  std::vector<Work> works_;
  std::optional<StudyDatabase> study_;
  double to_do_ = 0, done_ = 0;  // passes of the whole model over a chunk
  bool is_predicting_ = false;
  std::set<ChunkPlace> probe_places_;  // then: the chunks that most variants are measured on
  double probe_budget_ = 0;            // of each of them, in passes
  SweepResult result_;
};

void Sweep::plan_variants() {
  ModelSites sites;
  for (const auto& tensor : file_.tensors()) sites.weights.push_back({tensor.name, layer_of_tensor(tensor.name)});
  for (const auto& activation : context_.sites()) sites.activations.push_back(activation.site);
  sites.weight_layers = layer_count(file_.tensors());
  sites.activation_layers = model_.layers();
  auto plan = plan_sweep(request_.question, sites);
  take_shard(plan, request_.shard, request_.shards);
  result_.notes = std::move(plan.notes);
  for (auto& planned : plan.variants) {
    auto& work = works_.emplace_back();
    work.planned = std::move(planned);
    work.name = to_string(work.planned.rule);
  }
  check_rules();
  // This reads the files of ranges and importance.
  for (auto& work : works_) work.stored = study_variant(work);
}

// What cannot be measured is known before the work begins.
void Sweep::check_rules() {
  for (const auto& work : works_) {
    if (work.is_weight()) {
      plan_rounding(file_, {work.planned.rule}, request_.storage);
    } else {
      context_.set_recipe({work.planned.rule});
    }
  }
  context_.set_recipe({});
}

void Sweep::read_texts() {
  for (std::size_t t = 0; t < request_.texts.size(); ++t) {
    TextChunks chunks(model_, text_file(request_.texts[t]), static_cast<int>(plan_.shape.ctx_size), request_.chunks);
    auto& text = result_.texts.emplace_back();
    text.name = request_.texts[t];
    while (auto tokens = chunks.next()) {
      chunks_.push_back({{static_cast<int>(t), text.chunks++}, std::move(*tokens)});
    }
  }
  for (const auto& chunk : chunks_) places_[chunk.tokens.data()] = chunk.place;
}

StudySubject Sweep::subject() {
  const auto environment = describe_environment(request_.compute.threads, request_.compute.devices);
  StudySubject subject{file_.path(),
                       sha256_of(file_, Hashed::files),
                       file_.size(),
                       model_.layers(),
                       static_cast<int>(plan_.shape.ctx_size),
                       context_.batch_size(),
                       environment.version,
                       environment.engine,
                       fmt::format("{}", fmt::join(environment.backends, ", ")),
                       {}};
  std::set<std::string> hashes;
  for (const auto& text : request_.texts) {
    subject.texts.push_back({text, sha256_of_file(text)});
    if (!hashes.insert(subject.texts.back().sha256).second) {
      throw usage_error(fmt::format("the text {} is given twice: name it once", text));
    }
  }
  return subject;
}

void Sweep::open_study() {
  std::error_code ignored;
  if (request_.dry_run && !std::filesystem::exists(request_.study, ignored)) return;
  study_.emplace(request_.study, request_.dry_run ? StudyAccess::read : StudyAccess::write);
  const auto asked = subject();
  if (request_.dry_run) {
    study_->check_subject(asked);
  } else {
    study_->check_subject(asked);  // before anything is written
    study_->transaction([&] {
      study_->set_subject(asked);
      for (auto& work : works_) {
        work.id = study_->add_variant(work.stored);
        study_->set_sites(work.id, study_sites(work.planned));
      }
    });
  }
  take_what_is_there();
}

StudyVariant Sweep::study_variant(const Work& work) const {
  const auto& planned = work.planned;
  return {work.name,
          planned.site,
          planned.format,
          planned.layer,
          work.is_weight() ? storage_text(request_.storage) : "",
          files_hash(planned.rule.format),
          {}};
}

std::vector<StudySite> Sweep::study_sites(const PlannedVariant& planned) const {
  std::vector<StudySite> sites;
  for (const auto place : planned.sites) {
    if (planned.rule.pattern.kind == SiteKind::weight) {
      const auto& tensor = file_.tensors()[place];
      const auto length = std::max<std::int64_t>(1, row_elements(tensor));
      sites.push_back({tensor.name, {tensor.elements / length, length}, static_cast<std::int64_t>(tensor.size) * 8});
    } else {
      const auto& activation = context_.sites()[place];
      const auto values = elements_of(activation.shape);
      const auto length = std::max<std::int64_t>(1, activation.shape[0]);
      sites.push_back({activation.site.name, {values / length, length}, values * 32});
    }
  }
  return sites;
}

void Sweep::take_what_is_there() {
  const auto variants = study_->variants();
  for (auto& work : works_) {
    const auto& own = work.stored;
    const auto known = std::find_if(variants.begin(), variants.end(), [&](const auto& entry) {
      return entry.second.recipe == own.recipe && entry.second.storage == own.storage;
    });
    if (known == variants.end()) continue;
    work.id = known->first;
    work.start = known->second.start;
    const auto scores = study_->scores(known->first);
    for (const auto& chunk : chunks_) {
      if (const auto score = scores.find(chunk.place); score != scores.end()) work.scores.insert(*score);
    }
    work.found = work.scores.size();
    look_whether_precise(work);
  }
}

void Sweep::look_whether_precise(Work& work) const {
  if (request_.precision <= 0 || work.scores.empty()) return;
  const auto sums = total_of(work.scores);
  const auto kld = sums.kld.mean(sums.count);
  work.is_precise = kld.error < request_.precision * kld.value;
}

// Of a chunk, in passes of the whole model.
double Sweep::cost(const Work& work) const {
  const int first = work.start ? work.start->layer : work.planned.lowest_layer;
  const int layers = std::max(1, model_.layers());
  constexpr double kScoring = 0.02;
  return kScoring + static_cast<double>(layers - std::min(first, layers)) / layers;
}

void Sweep::plan_progress() {
  for (const auto& chunk : chunks_) {
    if (is_needed(chunk.place)) to_do_ += 1;
    for (const auto& work : works_) {
      if (needs(work, chunk.place)) to_do_ += cost(work);
    }
  }
}

void Sweep::tell(const Work& work, double cost) {
  done_ += cost;
  if (request_.progress) request_.progress({std::min(1.0, done_ / to_do_), work.name, result_.measured});
}

bool Sweep::is_needed(const ChunkPlace& place) const {
  return std::any_of(works_.begin(), works_.end(), [&](const Work& work) { return needs(work, place); });
}

void Sweep::measure() {
  if (!is_predicting_) plan_progress();
  for (auto next = chunks_.cbegin(); next != chunks_.cend() && !result_.is_interrupted;) {
    const auto block = keep_block(next);
    for (auto& work : works_) {
      if (result_.is_interrupted) break;
      if (!block.empty()) measure_block(work, block);
    }
  }
}

// What the baseline computes for the next chunks that are needed, as many as can be kept.
std::vector<KeptBaseline> Sweep::keep_block(std::vector<TextChunk>::const_iterator& next) {
  std::vector<KeptBaseline> block;
  context_.set_recipe({});
  for (std::size_t bytes = 0; next != chunks_.end() && bytes < kMostKept && !is_stopped(); ++next) {
    if (!is_needed(next->place)) continue;
    block.push_back(keep_baseline(context_, plan_, {next->place.chunk, next->tokens}));
    bytes += block.back().bytes();
    done_ += 1;
  }
  return block;
}

void Sweep::measure_block(Work& work, const std::vector<KeptBaseline>& block) {
  const bool is_needed = std::any_of(block.begin(), block.end(), [&](const KeptBaseline& baseline) {
    return needs(work, places_.at(baseline.chunk.tokens.data()));
  });
  if (!is_needed || is_stopped()) return;
  if (!work.is_weight()) {
    context_.set_recipe({work.planned.rule});
    return measure_chunks(work, context_, block);
  }
  PreparedVariants prepared(file_, request_.storage, request_.compute.threads);
  prepared.add(work.name, {work.planned.rule});
  const Model rounded(prepared.variants().front().model, request_.compute.devices);
  Context context(rounded, plan_.context, {});
  measure_chunks(work, context, block);
}

void Sweep::measure_chunks(Work& work, Context& context, const std::vector<KeptBaseline>& block) {
  const int unchanged = work.is_weight() ? work.planned.lowest_layer : std::numeric_limits<int>::max();
  for (const auto& baseline : block) {
    const auto place = places_.at(baseline.chunk.tokens.data());
    if (!needs(work, place)) continue;
    if (is_stopped()) return;
    const double expected = cost(work);
    auto scored = score_chunk(context, work.name, plan_, baseline, unchanged);
    if (work.is_weight() && !work.planned.is_layered) scored.start.why_whole = "it changes weights outside the layers";
    const auto score = sum_of(scored.scores);
    study_->transaction([&] {
      study_->add_score(work.id, place, baseline.sums, score);
      if (!work.start) study_->set_start(work.id, scored.start);
    });
    if (!work.start) work.start = scored.start;
    work.scores[place] = score;
    ++result_.measured;
    look_whether_precise(work);
    tell(work, expected);
  }
}

// The variants in an order that is drawn by lot, the same each time.
std::vector<std::size_t> Sweep::shuffled() const {
  std::vector<std::size_t> order(works_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return random_key(0, works_[a].name) < random_key(0, works_[b].name);
  });
  return order;
}

// What it may cost, in passes of the whole model over a chunk, and the chunks that it is spent on: so many that a
// variant of each site and layer and one of each site and format can be measured on them. Where these are not all, the
// cheapest variants are measured on all.
void Sweep::plan_probes() {
  const auto chunks = static_cast<double>(chunks_.size());
  double whole = 1;
  std::map<std::string, double> cheapest;  // of each site and layer, and of each site and format
  for (const auto& work : works_) {
    const double passes = cost(work);
    whole += passes;
    const auto& planned = work.planned;
    for (const auto& part : {fmt::format("{} {}", planned.site, planned.layer.value_or(-1)),
                             fmt::format("{}={}", planned.site, planned.format)}) {
      const auto found = cheapest.try_emplace(part, passes).first;
      found->second = std::min(found->second, passes);
    }
  }
  to_do_ = chunks * (request_.budget > 0 ? request_.budget : kBudget * whole);
  double wanted = kBaselinePasses;
  for (const auto& [part, passes] : cheapest) wanted += passes / kProbesPart;
  probe_budget_ = to_do_;
  if (to_do_ < wanted * chunks) choose_wide();
  const auto count = static_cast<std::size_t>(std::clamp(probe_budget_ / wanted, 1.0, chunks));
  probe_budget_ = probe_budget_ / static_cast<double>(count) - kBaselinePasses;
  for (std::size_t i = 0; i < count; ++i) {
    probe_places_.insert(chunks_[(2 * i + 1) * chunks_.size() / (2 * count)].place);
  }
  result_.prediction_cost = PredictionCost{0, whole, 0, static_cast<int>(count)};
}

void Sweep::choose_wide() {
  const auto chunks = static_cast<double>(chunks_.size());
  auto order = shuffled();
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return cost(works_[a]) < cost(works_[b]); });
  double left = kWidePart * to_do_ - chunks;  // of the baseline
  for (const auto i : order) {
    left -= chunks * cost(works_[i]);
    if (left < 0) break;
    works_[i].is_wide = works_[i].is_probed = true;
    probe_budget_ -= chunks * cost(works_[i]);
  }
  const bool is_any = std::any_of(works_.begin(), works_.end(), [](const Work& work) { return work.is_wide; });
  if (is_any) probe_budget_ -= chunks;
}

// What is known of the variants: their local errors, and what the study has of them.
std::vector<VariantEvidence> Sweep::find_evidence() {
  std::vector<Chunk> chunks;
  for (const auto& chunk : chunks_) {
    if (probe_places_.contains(chunk.place) && chunks.size() < kLocalErrorChunks) {
      chunks.push_back({chunk.place.chunk, chunk.tokens});
    }
  }
  std::vector<Rule> rules;
  for (const auto& work : works_) rules.push_back(work.planned.rule);
  const LocalErrorRequest request{file_, request_.storage, plan_, request_.compute.threads};
  const auto errors = find_local_errors(request, context_, chunks, rules);
  done_ += static_cast<double>(chunks.size());
  std::map<std::string, int> sites, formats;
  std::vector<VariantEvidence> evidence;
  for (std::size_t i = 0; i < works_.size(); ++i) {
    const auto& planned = works_[i].planned;
    const int site = sites.try_emplace(planned.site, static_cast<int>(sites.size())).first->second;
    const int format = formats.try_emplace(planned.format, static_cast<int>(formats.size())).first->second;
    evidence.push_back({{site, planned.layer.value_or(-1), format}, errors[i]});
  }
  return evidence;
}

void Sweep::take_scores(std::vector<VariantEvidence>& evidence, bool only_probes) const {
  for (std::size_t i = 0; i < works_.size(); ++i) {
    if (only_probes && !works_[i].is_probed && works_[i].found < chunks_.size()) continue;
    for (const auto& [place, score] : works_[i].scores) {
      evidence[i].klds[place] = score.kld.sum / static_cast<double>(score.count);
    }
  }
}

void Sweep::probe(const std::vector<std::size_t>& chosen) {
  for (const auto work : chosen) works_[work].is_probed = true;
  result_.prediction_cost->probes =
      static_cast<int>(std::count_if(works_.begin(), works_.end(), [](const Work& work) { return work.is_probed; }));
  measure();
}

// Drawn by lot, as many as a part of the budget pays for.
std::vector<std::size_t> Sweep::draw_checks(const ProbeChoice& choice) const {
  std::vector<std::size_t> drawn;
  double budget = kChecksPart * choice.budget;
  for (const auto i : shuffled()) {
    if (choice.is_known[i]) continue;
    budget -= choice.costs[i];
    if (budget < 0) break;
    drawn.push_back(i);
  }
  return drawn;
}

// What is predicted to lose least at each of two sites: there one sees whether any change costs more than that.
std::vector<std::size_t> Sweep::least_of_sites(const Predictions& predictions, const ProbeChoice& choice) const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < works_.size(); ++i) {
    if (!choice.is_known[i] && predictions[i] && predictions[i]->kld > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return predictions[a]->kld < predictions[b]->kld; });
  std::vector<std::size_t> least;
  double budget = choice.budget;
  for (const auto i : order) {
    const bool is_new = least.empty() || works_[least.front()].planned.site != works_[i].planned.site;
    if (!is_new || choice.costs[i] > budget) continue;
    budget -= choice.costs[i];
    least.push_back(i);
    if (least.size() == 2) break;
  }
  return least;
}

// Of what has not been measured.
void Sweep::write_predictions(const Predictions& predictions) {
  study_->transaction([&] {
    for (std::size_t i = 0; i < works_.size(); ++i) {
      if (works_[i].scores.empty() && predictions[i]) study_->set_prediction(works_[i].id, *predictions[i]);
    }
  });
}

// Measures some variants on some chunks, and predicts the others from them: first those that tell most of the others;
// then some drawn by lot, by which one sees how good it is, and those whose prediction matters and is unsure. Which
// they are follows from the question and from what came out before them: so the same command, typed again, goes on
// where it was stopped.
void Sweep::predict() {
  is_predicting_ = true;
  plan_probes();
  auto evidence = find_evidence();
  ProbeChoice choice;
  choice.weights.assign(works_.size(), 1);
  for (const auto& work : works_) {
    choice.costs.push_back(cost(work));
    choice.is_known.push_back(work.is_wide || work.found == chunks_.size());
  }
  double left = probe_budget_;
  const auto take = [&](const std::vector<std::size_t>& chosen) {
    for (const auto v : chosen) {
      choice.is_known[v] = true;
      left -= choice.costs[v];
    }
    choice.budget = left;
  };
  choice.budget = kProbesPart * left;
  const auto probes = choose_probes(evidence, choice);
  take(probes);
  probe(probes);
  if (result_.is_interrupted) return;
  take_scores(evidence, true);
  const auto predictions = predict_divergence(evidence, chunks_.size());
  write_predictions(predictions);

  auto checks = least_of_sites(predictions, choice);
  take(checks);
  const auto drawn = draw_checks(choice);
  take(drawn);
  checks.insert(checks.end(), drawn.begin(), drawn.end());
  choice.weights = weights_of(predictions);
  const auto unsure = choose_probes(evidence, choice);
  checks.insert(checks.end(), unsure.begin(), unsure.end());
  probe(checks);
  if (result_.is_interrupted) return;
  take_scores(evidence, false);
  const auto last = predict_divergence(evidence, chunks_.size());
  write_predictions(last);
  if (std::none_of(last.begin(), last.end(), [](const auto& prediction) { return prediction.has_value(); })) {
    result_.notes.emplace_back("Nothing can be predicted, because nothing could be measured: give a larger --budget.");
  }
}

void Sweep::fill_in() {
  auto& result = result_;
  result.model = request_.model;
  result.study = request_.study;
  result.layers = model_.layers();
  result.ctx_size = static_cast<int>(plan_.shape.ctx_size);
  result.batch_size = context_.batch_size();
  result.threads = request_.compute.threads;
  result.shard = request_.shard;
  result.shards = request_.shards;
  result.precision = request_.precision;
  result.is_by_layer = request_.question.by_layer;
  result.is_dry_run = request_.dry_run;
  if (study_) {
    std::map<ChunkPlace, BaselineSums> asked;
    const auto known = study_->baseline();
    for (const auto& chunk : chunks_) {
      if (const auto found = known.find(chunk.place); found != known.end()) asked.insert(*found);
    }
    const auto sums = total_of(asked);
    result.baseline_ppl = perplexity(sums.nll, sums.count);
  }
  std::vector<PredictedAndMeasured> foretold;
  const auto predictions = study_ ? study_->predictions() : std::map<StudyDatabase::VariantId, PredictedDivergence>{};
  for (const auto& work : works_) {
    SweepVariant variant;
    variant.recipe = work.name;
    variant.site = work.planned.site;
    variant.format = work.planned.format;
    variant.layer = work.planned.layer;
    variant.storage = work.stored.storage;
    variant.chunks = static_cast<int>(work.scores.size());
    variant.chunks_found = static_cast<int>(work.found);
    variant.figures = figures_of(work.scores);
    if (work.start) {
      variant.first_layer = work.start->layer;
      variant.why_whole = work.start->why_whole;
    }
    variant.is_precise = work.is_precise;
    if (const auto found = predictions.find(work.id); found != predictions.end()) {
      variant.predicted = found->second;
      const auto& [kld, low, high] = found->second;
      if (variant.chunks > 0) foretold.push_back({kld, low, high, variant.figures.kld.value});
    }
    result.variants.push_back(std::move(variant));
  }
  result.prediction_quality = quality_of(foretold);
  if (result.prediction_cost) result.prediction_cost->passes = done_ / static_cast<double>(chunks_.size());
}

}  // namespace

SweepResult sweep(const SweepRequest& request) { return Sweep(request).run(); }

}  // namespace fakequant
