#include "sweep/predicted_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "format/random_words.h"
#include "sweep/local_errors.h"
#include "sweep/predict_divergence.h"

namespace fakequant {
namespace {

constexpr double kDefaultBudget = 0.1;  // of the passes of the whole sweep
constexpr double kWidePart = 0.2;       // of the budget: for variants on all chunks
constexpr double kProbesPart = 0.7;     // of the rest: for the probes
constexpr double kChecksPart = 0.5;     // of the remainder: for variants drawn at random
constexpr double kBaselinePasses = 3;   // for each probed chunk: one for the local errors and two comparisons
constexpr std::size_t kMaxLocalErrorChunks = 4;

using Predictions = std::vector<std::optional<PredictedDivergence>>;

// The weight of each variant's variance: 1 if its divergence is above the median, otherwise its ratio to the median.
std::vector<double> weights_of(const Predictions& predictions) {
  std::vector<double> klds;
  for (const auto& prediction : predictions) klds.push_back(prediction ? prediction->kld : 0);
  auto sorted = klds;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  std::vector<double> weights;
  for (const double kld : klds) weights.push_back(median > 0 ? std::min(1.0, kld / median) : 1.0);
  return weights;
}

class PredictedSweep {
 public:
  PredictedSweep(SweepSession& session, SweepWork& work)
      : session_(session), variants_(session.variants()), work_(work) {}

  PredictionCost run();

 private:
  double passes(std::size_t v) const { return session_.passes(variants_[v]); }
  double chunk_count() const { return static_cast<double>(session_.chunks().size()); }
  // Nothing more can be measured of it.
  bool is_complete(const SweptVariant& variant) const {
    return variant.found == session_.chunks().size() || variant.overflow;
  }

  std::vector<std::size_t> shuffled() const;
  void plan_budget();
  void choose_wide();
  std::vector<VariantEvidence> find_evidence();
  void add_scores(std::vector<VariantEvidence>& evidence, bool only_probes) const;
  void measure(const std::vector<std::size_t>& chosen);
  std::vector<std::size_t> draw_checks(const ProbeChoice& choice) const;
  std::vector<std::size_t> least_of_sites(const Predictions& predictions, const ProbeChoice& choice) const;

  SweepSession& session_;
  const std::vector<SweptVariant>& variants_;
  SweepWork& work_;
  std::set<std::size_t> probed_;  // variants to measure on the probed chunks
  std::set<std::size_t> wide_;    // the ones among them to measure on all chunks
  std::set<ChunkPosition> probed_chunks_;
  double probe_budget_ = 0;  // passes for each probed chunk
  PredictionCost cost_;
};

// The variants in a pseudo-random order that depends on their names only.
std::vector<std::size_t> PredictedSweep::shuffled() const {
  std::vector<std::size_t> order(variants_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return random_key(0, variants_[a].name) < random_key(0, variants_[b].name);
  });
  return order;
}

// Sets the budget and the probed chunks. Their number leaves enough budget per chunk for one variant of each site and
// layer, and one of each site and format. If that is not all chunks, the cheapest variants are measured on all chunks.
void PredictedSweep::plan_budget() {
  double whole = 1;
  std::map<std::string, double> cheapest;  // passes, by site and layer, and by site and format
  for (std::size_t v = 0; v < variants_.size(); ++v) {
    whole += passes(v);
    const auto& planned = variants_[v].planned;
    for (const auto& part : {fmt::format("{} {}", planned.site, planned.layer.value_or(-1)),
                             fmt::format("{}={}", planned.site, planned.format)}) {
      const auto found = cheapest.try_emplace(part, passes(v)).first;
      found->second = std::min(found->second, passes(v));
    }
  }
  double wanted = kBaselinePasses;
  for (const auto& [part, passes] : cheapest) wanted += passes / kProbesPart;
  const auto& request = session_.request();
  const double asked = request.covers_parts ? wanted : request.budget > 0 ? request.budget : kDefaultBudget * whole;
  work_.plan(chunk_count() * asked);
  probe_budget_ = work_.planned();
  if (work_.planned() < wanted * chunk_count()) choose_wide();
  const auto count = static_cast<std::size_t>(std::clamp(probe_budget_ / wanted, 1.0, chunk_count()));
  probe_budget_ = probe_budget_ / static_cast<double>(count) - kBaselinePasses;
  const auto& chunks = session_.chunks();
  for (std::size_t i = 0; i < count; ++i) {
    probed_chunks_.insert(chunks[(2 * i + 1) * chunks.size() / (2 * count)].position);
  }
  cost_ = {0, whole, 0, static_cast<int>(count)};
}

void PredictedSweep::choose_wide() {
  auto order = shuffled();
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return passes(a) < passes(b); });
  double left = kWidePart * work_.planned() - chunk_count();  // without the passes of the baseline
  for (const auto v : order) {
    left -= chunk_count() * passes(v);
    if (left < 0) break;
    wide_.insert(v);
    probed_.insert(v);
    probe_budget_ -= chunk_count() * passes(v);
  }
  if (!wide_.empty()) probe_budget_ -= chunk_count();
}

// Returns the traits and local errors of the variants.
std::vector<VariantEvidence> PredictedSweep::find_evidence() {
  std::vector<Chunk> chunks;
  for (const auto& chunk : session_.chunks()) {
    if (probed_chunks_.contains(chunk.position) && chunks.size() < kMaxLocalErrorChunks) {
      chunks.push_back({chunk.position.chunk, chunk.tokens});
    }
  }
  std::vector<Rule> rules;
  for (const auto& variant : variants_) rules.push_back(variant.planned.rule);
  const auto& asked = session_.request();
  const LocalErrorRequest request{session_.file(), asked.storage, session_.chunk_plan(), asked.compute.threads};
  const auto errors = find_local_errors(request, session_.context(), chunks, rules);
  work_.add_done(static_cast<double>(chunks.size()));
  const int last_layer = session_.context().model().layers() - 1;
  std::map<std::string, int> sites, formats;
  std::vector<VariantEvidence> evidence;
  for (std::size_t v = 0; v < variants_.size(); ++v) {
    const auto& planned = variants_[v].planned;
    const int site = sites.try_emplace(planned.site, static_cast<int>(sites.size())).first->second;
    const int format = formats.try_emplace(planned.format, static_cast<int>(formats.size())).first->second;
    const int layer = planned.layer.value_or(-1);
    evidence.push_back({{site, layer, layer == 0 || layer == last_layer, format}, errors[v]});
  }
  return evidence;
}

void PredictedSweep::add_scores(std::vector<VariantEvidence>& evidence, bool only_probes) const {
  for (std::size_t v = 0; v < variants_.size(); ++v) {
    if (variants_[v].overflow) continue;  // its divergence has no figure that tells of others
    if (only_probes && !probed_.contains(v) && !is_complete(variants_[v])) continue;
    for (const auto& [position, score] : variants_[v].scores) {
      evidence[v].klds[position] = score.kld.sum / static_cast<double>(score.count);
    }
  }
}

void PredictedSweep::measure(const std::vector<std::size_t>& chosen) {
  probed_.insert(chosen.begin(), chosen.end());
  cost_.probes = static_cast<int>(probed_.size());
  const IsWanted wanted = [&](std::size_t v, const ChunkPosition& position) {
    return probed_.contains(v) && (wide_.contains(v) || probed_chunks_.contains(position));
  };
  measure_variants(session_, wanted, work_);
}

// Draws variants at random for kChecksPart of the budget.
std::vector<std::size_t> PredictedSweep::draw_checks(const ProbeChoice& choice) const {
  std::vector<std::size_t> drawn;
  double budget = kChecksPart * choice.budget;
  for (const auto v : shuffled()) {
    if (choice.is_known[v]) continue;
    budget -= choice.costs[v];
    if (budget < 0) break;
    drawn.push_back(v);
  }
  return drawn;
}

// The variants with the smallest predictions, of two different sites. They show whether the divergence has a floor.
std::vector<std::size_t> PredictedSweep::least_of_sites(const Predictions& predictions,
                                                        const ProbeChoice& choice) const {
  std::vector<std::size_t> order;
  for (std::size_t v = 0; v < variants_.size(); ++v) {
    if (!choice.is_known[v] && predictions[v] && predictions[v]->kld > 0) order.push_back(v);
  }
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return predictions[a]->kld < predictions[b]->kld; });
  std::vector<std::size_t> least;
  double budget = choice.budget;
  for (const auto v : order) {
    const bool is_new = least.empty() || variants_[least.front()].planned.site != variants_[v].planned.site;
    if (!is_new || choice.costs[v] > budget) continue;
    budget -= choice.costs[v];
    least.push_back(v);
    if (least.size() == 2) break;
  }
  return least;
}

PredictionCost PredictedSweep::run() {
  plan_budget();
  const auto cost = [&] {
    cost_.passes = work_.done() / chunk_count();
    return cost_;
  };
  auto evidence = find_evidence();
  ProbeChoice choice;
  choice.weights.assign(variants_.size(), 1);
  double spent = 0;  // on what the study has already
  for (std::size_t v = 0; v < variants_.size(); ++v) {
    choice.costs.push_back(passes(v));
    choice.is_known.push_back(wide_.contains(v) || is_complete(variants_[v]));
    if (choice.is_known[v] && !wide_.contains(v)) spent += passes(v);
  }
  double left = probe_budget_ - spent;
  const auto pay = [&](const std::vector<std::size_t>& chosen) {
    for (const auto v : chosen) {
      choice.is_known[v] = true;
      left -= choice.costs[v];
    }
    choice.budget = left;
  };
  choice.budget = kProbesPart * probe_budget_ - spent;
  const auto probes = choose_probes(evidence, choice);
  pay(probes);
  measure(probes);
  if (session_.is_interrupted()) return cost();
  add_scores(evidence, true);
  const auto predictions = predict_divergence(evidence, session_.chunks().size());
  session_.store(predictions);

  auto checks = least_of_sites(predictions, choice);
  pay(checks);
  const auto drawn = draw_checks(choice);
  pay(drawn);
  checks.insert(checks.end(), drawn.begin(), drawn.end());
  choice.weights = weights_of(predictions);
  const auto uncertain = choose_probes(evidence, choice);
  checks.insert(checks.end(), uncertain.begin(), uncertain.end());
  measure(checks);
  if (session_.is_interrupted()) return cost();
  add_scores(evidence, false);
  const auto last = predict_divergence(evidence, session_.chunks().size());
  session_.store(last);
  if (std::none_of(last.begin(), last.end(), [](const auto& prediction) { return prediction.has_value(); })) {
    session_.add_note(
        "Nothing can be predicted, because the budget does not pay for one measurement: take a larger one, or measure "
        "everything, without predictions.");
  }
  return cost();
}

}  // namespace

PredictionCost predict_sweep(SweepSession& session, SweepWork& work) { return PredictedSweep(session, work).run(); }

}  // namespace fakequant
