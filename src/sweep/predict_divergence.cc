#include "sweep/predict_divergence.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace fakequant {
namespace {

constexpr double kInterval = 1.96;       // standard deviations on each side: 95 %
constexpr double kProbeVariance = 0.07;  // of the log of what a probe is going to find, for the rare tokens in it
constexpr int kRounds = 20;
constexpr int kFloorSteps = 12;      // floors that are tried beside none, each
constexpr double kFloorRatio = 0.7;  // of the one before
constexpr double kFloorDoubt = 1;    // by so much likelier must one be than none

// The law's variants are those whose rounding changes something.
std::vector<std::size_t> with_error(const std::vector<VariantEvidence>& variants) {
  std::vector<std::size_t> places;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].local_error > 0) places.push_back(v);
  }
  return places;
}

DivergenceLaw law_of(const std::vector<VariantEvidence>& variants, const std::vector<std::size_t>& places,
                     double floor = 0) {
  std::vector<VariantTraits> traits;
  for (const auto v : places) {
    traits.push_back(variants[v].traits);
    traits.back().log_error = std::log(variants[v].local_error);
  }
  return DivergenceLaw(traits, floor);
}

bool is_usable(const VariantEvidence& variant) {
  double sum = 0;
  for (const auto& [position, kld] : variant.klds) sum += kld;
  return sum > 0 && std::isfinite(sum);
}

// How chunks differ, and what each variant would lose on one like the others.
struct ChunkFactors {
  std::map<ChunkPosition, double> of_chunk;  // 1 on average
  std::vector<double> levels;                // of each variant, where it is usable
  double spread = 1;                         // variance of the factors
  double rest = 1;  // variance of what is each variant's own in a chunk, as a part of its level
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
    factors.spread = 0;
    for (const auto& [position, factor] : factors.of_chunk) factors.spread += (factor - 1) * (factor - 1) / (count - 1);
  }
  // What is left beside the common factors, of all variants together: few chunks of one say little of it.
  double rest = 0, freedom = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (!is_usable(variants[v])) continue;
    for (const auto& [position, kld] : variants[v].klds) {
      const double difference = kld / factors.levels[v] - factors.of_chunk[position];
      rest += difference * difference;
    }
    freedom += static_cast<double>(variants[v].klds.size()) - 1;
  }
  if (freedom > 0) factors.rest = rest / freedom;
  return factors;
}

// The law with what was measured; of all floors up to the least divergence the one that expects it best.
DivergenceLaw fit_law(const std::vector<VariantEvidence>& variants, const std::vector<std::size_t>& places,
                      const ChunkFactors& factors) {
  std::vector<std::size_t> measured;  // the largest first: beside them the floor is nothing
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (is_usable(variants[places[i]])) measured.push_back(i);
  }
  const auto level = [&](std::size_t i) { return factors.levels[places[i]]; };
  std::stable_sort(measured.begin(), measured.end(), [&](auto a, auto b) { return level(a) > level(b); });
  std::optional<DivergenceLaw> best;
  double most = 0;
  for (int step = 0; step <= kFloorSteps; ++step) {
    const double floor = step == 0 ? 0 : level(measured.back()) * std::pow(kFloorRatio, step);
    auto law = law_of(variants, places, floor);
    for (const auto i : measured) {
      law.observe(i, std::log(level(i)), factors.rest / static_cast<double>(variants[places[i]].klds.size()));
    }
    const double likelihood = law.likelihood() - (step == 0 ? 0 : kFloorDoubt);
    if (best && likelihood <= most) continue;
    most = likelihood;
    best = std::move(law);
  }
  return *best;
}

}  // namespace

std::vector<std::optional<PredictedDivergence>> predict_divergence(const std::vector<VariantEvidence>& variants,
                                                                   std::size_t chunks) {
  std::vector<std::optional<PredictedDivergence>> predictions(variants.size());
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].local_error == 0) predictions[v] = PredictedDivergence{};
  }
  const auto places = with_error(variants);
  const auto factors = find_factors(variants);
  if (std::none_of(places.begin(), places.end(), [&](std::size_t v) { return is_usable(variants[v]); })) {
    return predictions;
  }
  const auto law = fit_law(variants, places, factors);
  // The chunks that were not seen may be others, and each variant has a way of its own on every one.
  const auto seen = static_cast<double>(factors.of_chunk.size()), all = static_cast<double>(chunks);
  const double of_text = factors.spread / seen * std::max(0.0, 1 - seen / all) + factors.rest / all;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto expected = law.expect(i);
    const double reach = kInterval * std::sqrt(expected.variance + of_text);
    predictions[places[i]] =
        PredictedDivergence{std::exp(expected.mean), std::exp(expected.mean - reach), std::exp(expected.mean + reach)};
  }
  return predictions;
}

std::vector<std::size_t> choose_probes(const std::vector<VariantEvidence>& variants, const ProbeChoice& choice) {
  const auto places = with_error(variants);
  auto law = law_of(variants, places);
  std::vector<double> weights;
  for (const auto v : places) weights.push_back(choice.weights[v]);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (choice.is_known[places[i]]) law.foresee(i, kProbeVariance);
  }
  // A gain that was found before bounds what it is now: only the best is looked at again.
  struct Candidate {
    double gain;  // for its cost
    std::size_t position;
    std::size_t found_with;  // so many chosen

    bool operator<(const Candidate& other) const {
      return gain != other.gain ? gain < other.gain : position > other.position;
    }
  };
  std::vector<std::size_t> chosen;
  const auto look_at = [&](std::size_t i) {
    return Candidate{law.gain(i, kProbeVariance, weights) / choice.costs[places[i]], i, chosen.size()};
  };
  std::priority_queue<Candidate> candidates;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!choice.is_known[places[i]]) candidates.push(look_at(i));
  }
  for (double budget = choice.budget; !candidates.empty();) {
    const auto best = candidates.top();
    candidates.pop();
    if (choice.costs[places[best.position]] > budget || best.gain <= 0) continue;
    if (best.found_with < chosen.size()) {
      candidates.push(look_at(best.position));
      continue;
    }
    law.foresee(best.position, kProbeVariance);
    budget -= choice.costs[places[best.position]];
    chosen.push_back(places[best.position]);
  }
  return chosen;
}

}  // namespace fakequant
