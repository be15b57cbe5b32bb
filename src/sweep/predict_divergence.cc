#include "sweep/predict_divergence.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace fakequant {
namespace {

constexpr double kInterval = 1.96;       // standard deviations on each side: 95 %
constexpr double kProbeVariance = 0.07;  // of the log of a probe's measurement, which depends on few rare tokens
constexpr int kRounds = 20;
constexpr double kPriorChunks = 2;   // for how many chunks the prior of the spread of their factors counts, which is 1
constexpr int kFloorSteps = 12;      // number of candidate floors, besides none
constexpr double kFloorRatio = 0.7;  // of a candidate floor to the one before
constexpr double kFloorPenalty = 1;  // subtracted from the log likelihood of a floor, to prefer none

// The indices of the variants whose rounding changes something. Only these enter the law.
std::vector<std::size_t> with_error(const std::vector<VariantEvidence>& variants) {
  std::vector<std::size_t> indices;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].local_error > 0) indices.push_back(v);
  }
  return indices;
}

DivergenceLaw law_of(const std::vector<VariantEvidence>& variants, const std::vector<std::size_t>& indices,
                     double floor = 0, const LayerVariation& variation = {}) {
  std::vector<VariantTraits> traits;
  for (const auto v : indices) {
    traits.push_back(variants[v].traits);
    traits.back().log_error = std::log(variants[v].local_error);
  }
  return DivergenceLaw(traits, floor, variation);
}

bool is_usable(const VariantEvidence& variant) {
  double sum = 0;
  for (const auto& [position, kld] : variant.klds) sum += kld;
  return sum > 0 && std::isfinite(sum);
}

// The factors h(c) of the chunks, and the levels K(v) of the variants.
struct ChunkFactors {
  std::map<ChunkPosition, double> of_chunk;  // the mean is 1
  std::vector<double> levels;                // by variant; 0 if it is not usable
  double spread = 1;                         // variance of the factors, by its prior where few chunks are measured
  double residual = 1;                       // variance of d(v, c) / K(v) - h(c)
};

ChunkFactors find_factors(const std::vector<VariantEvidence>& variants) {
  ChunkFactors factors;
  factors.levels.assign(variants.size(), 0);
  for (const auto& variant : variants) {
    for (const auto& [position, kld] : variant.klds) factors.of_chunk[position] = 1;
  }
  for (int round = 0; round < kRounds; ++round) {
    std::map<ChunkPosition, std::pair<double, int>> ratios;
    for (std::size_t v = 0; v < variants.size(); ++v) {
      if (!is_usable(variants[v])) continue;
      double found = 0, expected = 0;
      for (const auto& [position, kld] : variants[v].klds) {
        found += kld;
        expected += factors.of_chunk[position];
      }
      factors.levels[v] = found / expected;
      for (const auto& [position, kld] : variants[v].klds) {
        auto& [sum, count] = ratios[position];
        sum += kld / factors.levels[v];
        ++count;
      }
    }
    double total = 0;
    for (const auto& [position, ratio] : ratios) total += ratio.first / ratio.second;
    for (const auto& [position, ratio] : ratios) {
      factors.of_chunk[position] = ratio.first / ratio.second / total * static_cast<double>(ratios.size());
    }
  }
  if (const auto count = static_cast<double>(factors.of_chunk.size()); count > 1) {
    double squares = kPriorChunks;
    for (const auto& [position, factor] : factors.of_chunk) squares += (factor - 1) * (factor - 1);
    factors.spread = squares / (count - 1 + kPriorChunks);
  }
  // The residual variance is pooled over all variants: one variant has too few chunks for an estimate.
  double squares = 0, freedom = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (!is_usable(variants[v])) continue;
    for (const auto& [position, kld] : variants[v].klds) {
      const double difference = kld / factors.levels[v] - factors.of_chunk[position];
      squares += difference * difference;
    }
    freedom += static_cast<double>(variants[v].klds.size()) - 1;
  }
  if (freedom > 0) factors.residual = squares / freedom;
  return factors;
}

// Models differ in how much their layers vary: SmolLM2's less than the demo model's. Besides the default.
constexpr LayerVariation kVariations[] = {{0.25, 1}, {0.25, 3}, {0.4, 1}, {0.4, 3}, {0.6, 1},
                                          {0.6, 3},  {0.9, 3},  {1.5, 1}, {1.5, 3}};

// Fits the law to the measurements, with the variation of layers of the highest likelihood without a floor, and then
// the floor of the highest.
DivergenceLaw fit_law(const std::vector<VariantEvidence>& variants, const std::vector<std::size_t>& indices,
                      const ChunkFactors& factors) {
  // The largest divergence comes first: the floor is negligible there, and the tangent is accurate.
  std::vector<std::size_t> measured;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (is_usable(variants[indices[i]])) measured.push_back(i);
  }
  const auto level = [&](std::size_t i) { return factors.levels[indices[i]]; };
  std::stable_sort(measured.begin(), measured.end(), [&](auto a, auto b) { return level(a) > level(b); });
  const auto fit = [&](double floor, const LayerVariation& variation) {
    auto law = law_of(variants, indices, floor, variation);
    for (const auto i : measured) {
      law.observe(i, std::log(level(i)), factors.residual / static_cast<double>(variants[indices[i]].klds.size()));
    }
    return law;
  };
  LayerVariation variation;
  auto best = fit(0, variation);
  for (const auto& other : kVariations) {
    if (auto law = fit(0, other); law.likelihood() > best.likelihood()) {
      variation = other;
      best = std::move(law);
    }
  }
  double best_likelihood = best.likelihood();
  for (int step = 1; step <= kFloorSteps; ++step) {
    auto law = fit(level(measured.back()) * std::pow(kFloorRatio, step), variation);
    if (law.likelihood() - kFloorPenalty <= best_likelihood) continue;
    best_likelihood = law.likelihood() - kFloorPenalty;
    best = std::move(law);
  }
  return best;
}

}  // namespace

std::vector<std::optional<PredictedDivergence>> predict_divergence(const std::vector<VariantEvidence>& variants,
                                                                   std::size_t chunks) {
  std::vector<std::optional<PredictedDivergence>> predictions(variants.size());
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].local_error == 0) predictions[v] = PredictedDivergence{};
  }
  const auto indices = with_error(variants);
  const auto factors = find_factors(variants);
  if (std::none_of(indices.begin(), indices.end(), [&](std::size_t v) { return is_usable(variants[v]); })) {
    return predictions;
  }
  const auto law = fit_law(variants, indices, factors);
  // The variance of the mean over the text: unmeasured chunks have unknown factors, and every chunk has a residual.
  const auto seen = static_cast<double>(factors.of_chunk.size()), all = static_cast<double>(chunks);
  const double of_text = factors.spread / seen * std::max(0.0, 1 - seen / all) + factors.residual / all;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto expected = law.expect(i);
    const double reach = kInterval * std::sqrt(expected.variance + of_text);
    predictions[indices[i]] =
        PredictedDivergence{std::exp(expected.mean), std::exp(expected.mean - reach), std::exp(expected.mean + reach)};
  }
  return predictions;
}

std::vector<std::size_t> choose_probes(const std::vector<VariantEvidence>& variants, const ProbeChoice& choice) {
  const auto indices = with_error(variants);
  auto law = law_of(variants, indices);
  std::vector<double> weights;
  for (const auto v : indices) weights.push_back(choice.weights[v]);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (choice.is_known[indices[i]]) law.foresee(i, kProbeVariance);
  }
  // An earlier gain bounds the current one from above. So only the best candidate needs to be evaluated again.
  struct Candidate {
    double gain;  // per cost
    std::size_t position;
    std::size_t found_with;  // number of chosen variants when the gain was found

    bool operator<(const Candidate& other) const {
      return gain != other.gain ? gain < other.gain : position > other.position;
    }
  };
  std::vector<std::size_t> chosen;
  const auto candidate = [&](std::size_t i) {
    return Candidate{law.gain(i, kProbeVariance, weights) / choice.costs[indices[i]], i, chosen.size()};
  };
  std::priority_queue<Candidate> candidates;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (!choice.is_known[indices[i]]) candidates.push(candidate(i));
  }
  for (double budget = choice.budget; !candidates.empty();) {
    const auto best = candidates.top();
    candidates.pop();
    if (choice.costs[indices[best.position]] > budget || best.gain <= 0) continue;
    if (best.found_with < chosen.size()) {
      candidates.push(candidate(best.position));
      continue;
    }
    law.foresee(best.position, kProbeVariance);
    budget -= choice.costs[indices[best.position]];
    chosen.push_back(indices[best.position]);
  }
  return chosen;
}

}  // namespace fakequant
