#include "plan/plan_costs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "error.h"
#include "recipe/nearest_words.h"
#include "study/study_totals.h"
#include "study/variant_bits.h"

namespace fakequant {
namespace {

using Predictions = std::map<StudyDatabase::VariantId, PredictedDivergence>;

constexpr double kErrorsIn95 = 1.96;  // half the width of a 95 % interval, in standard errors

struct Cost {
  Estimate kld;
  std::size_t chunks = 0;  // measured; 0: the cost is predicted
};

// The divergence of a variant. A measurement takes precedence over a prediction. Unset if there is neither.
std::optional<Cost> cost_of(const StudyDatabase& study, const Predictions& predictions,
                            StudyDatabase::VariantId variant) {
  if (const auto scores = study.scores(variant); !scores.empty()) {
    const auto sums = total_of(scores);
    return Cost{sums.kld.mean(sums.count), scores.size()};
  }
  const auto found = predictions.find(variant);
  if (found == predictions.end()) return std::nullopt;
  const auto& [kld, low, high] = found->second;
  return Cost{{kld, (high - low) / (2 * kErrorsIn95)}, 0};
}

std::string part_name(const PlanPart& part) {
  return part.layer ? fmt::format("{}@{}", part.site, *part.layer) : part.site;
}

PlanPart new_part(const Rule& rule, const StudyVariant& variant, const std::vector<StudySite>& sites) {
  PlanPart part;
  part.kind = rule.pattern.kind;
  part.site = variant.site;
  part.layer = variant.layer;
  part.is_cache = is_about_cache(rule);
  PlanOption untouched;
  for (const auto& site : sites) {
    part.names.push_back(site.name);
    part.values += site.values.values();
    untouched.bits += site.bits;
  }
  part.options.push_back(untouched);
  return part;
}

// Selects the storage of quantized weights. Without a request, the study must have only one.
std::string storage_of_parts(const StudyDatabase& study, const std::optional<std::string>& asked) {
  std::set<std::string> known;
  for (const auto& [id, variant] : study.variants()) {
    if (parse_rule(variant.recipe).pattern.kind == SiteKind::weight) known.insert(variant.storage);
  }
  const auto shown = [](const std::string& storage) { return storage.empty() ? "none" : "'" + storage + "'"; };
  if (asked) {
    if (!known.contains(*asked)) {
      throw usage_error(
          fmt::format("the study has no weights with the storage {}: request another storage, or none", shown(*asked)));
    }
    return *asked;
  }
  if (known.size() > 1) {
    throw usage_error(
        fmt::format("the study has weights stored in {} ways, {} and {}: say which, or plan other "
                    "sites",
                    known.size(), shown(*known.begin()), shown(*known.rbegin())));
  }
  return known.empty() ? "" : *known.begin();
}

// If a site was measured both by layer and as a whole, drops the whole: the layers allow finer plans.
void drop_whole_sites(PlanCosts& costs) {
  std::set<std::string> layered;
  for (const auto& part : costs.parts) {
    if (part.layer) layered.insert(part.site);
  }
  const auto dropped =
      std::erase_if(costs.parts, [&](const PlanPart& part) { return !part.layer && layered.contains(part.site); });
  if (dropped > 0) costs.notes.emplace_back("Sites that were also measured whole are planned by their layers.");
}

void check_apart(const std::vector<PlanPart>& parts) {
  std::map<std::pair<SiteKind, std::string>, const PlanPart*> owners;
  for (const auto& part : parts) {
    for (const auto& name : part.names) {
      const auto [owner, is_new] = owners.emplace(std::pair(part.kind, name), &part);
      if (is_new) continue;
      throw usage_error(fmt::format("{} and {} both round {}, and a plan gives it one format: say which sites to plan",
                                    part_name(*owner->second), part_name(part), name));
    }
  }
}

// Notes on variants that are left out or not fully comparable. `chunks` holds the number of measured chunks of each
// variant.
std::vector<std::string> notes_on(const std::vector<std::size_t>& chunks, std::size_t not_measured,
                                  std::size_t overflowed) {
  std::vector<std::string> notes;
  if (overflowed > 0) {
    notes.push_back(fmt::format("{} of {} variants overflow, and are left out.", overflowed,
                                chunks.size() + not_measured + overflowed));
  }
  const auto known = chunks.size();
  if (not_measured > 0) {
    notes.push_back(
        fmt::format("{} of {} variants have not been measured, and are left out.", not_measured, known + not_measured));
  }
  const auto predicted = std::count(chunks.begin(), chunks.end(), 0);
  if (predicted > 0) {
    notes.push_back(fmt::format("{} of {} variants have not been measured, and count as predicted.", predicted, known));
  }
  const auto max_chunks = *std::max_element(chunks.begin(), chunks.end());
  const auto fewer =
      std::count_if(chunks.begin(), chunks.end(), [&](std::size_t count) { return count > 0 && count < max_chunks; });
  if (fewer > 0) {
    notes.push_back(
        fmt::format("{} of {} variants were measured on fewer than {} chunks: their figures are over other "
                    "predictions than those of the rest.",
                    fewer, known, max_chunks));
  }
  return notes;
}

PlanPart& part_of(std::vector<PlanPart>& parts, const Rule& rule, const StudyVariant& variant,
                  const std::vector<StudySite>& sites) {
  const auto part = std::find_if(parts.begin(), parts.end(), [&](const PlanPart& other) {
    return other.site == variant.site && other.layer == variant.layer;
  });
  return part != parts.end() ? *part : parts.emplace_back(new_part(rule, variant, sites));
}

void read_parts(const StudyDatabase& study, PlanCosts& costs) {
  auto& parts = costs.parts;
  std::vector<std::size_t> chunks;
  std::size_t not_measured = 0, overflowed = 0;
  const auto predictions = study.predictions();
  for (const auto& [id, variant] : study.variants()) {
    const auto rule = parse_rule(variant.recipe);
    if (rule.pattern.kind == SiteKind::weight && variant.storage != costs.storage) continue;
    if (variant.overflow) {
      ++overflowed;
      continue;
    }
    const auto cost = cost_of(study, predictions, id);
    if (!cost || !std::isfinite(cost->kld.value)) {
      ++not_measured;
      continue;
    }
    const auto sites = study.sites(id);
    if (sites.empty()) {
      throw Error(
          "the study does not say how many values its sites hold: type its sweep's command once more, which adds that "
          "and measures nothing again");
    }
    part_of(parts, rule, variant, sites)
        .options.push_back(
            {rule, variant.format, bits_in(rule, sites), cost->kld.value, cost->kld.error, cost->chunks == 0});
    chunks.push_back(cost->chunks);
  }
  if (chunks.empty()) throw Error("nothing has been measured in the study: continue it with sweep");
  costs.notes = notes_on(chunks, not_measured, overflowed);
  std::vector<std::string> order;  // sites, in the order of the study
  for (const auto& part : parts) {
    if (std::find(order.begin(), order.end(), part.site) == order.end()) order.push_back(part.site);
  }
  const auto rank = [&](const PlanPart& part) { return std::find(order.begin(), order.end(), part.site); };
  std::stable_sort(parts.begin(), parts.end(), [&](const PlanPart& a, const PlanPart& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.layer < b.layer;
  });
}

void take_sites(PlanCosts& costs, const std::vector<SitePattern>& sites, int layers) {
  std::set<std::size_t> chosen;
  for (const auto& site : sites) {
    const auto found = parts_at(costs.parts, site, layers);
    chosen.insert(found.begin(), found.end());
  }
  std::vector<PlanPart> parts;
  for (const auto index : chosen) parts.push_back(std::move(costs.parts[index]));
  costs.parts = std::move(parts);
}

}  // namespace

std::vector<std::size_t> parts_at(const std::vector<PlanPart>& parts, const SitePattern& site, int layers) {
  const auto whole = to_string(site), bare = to_string(in_all_layers(site));
  const auto& of_layers = site.layers;
  std::vector<std::size_t> found;
  std::set<std::string> sites;
  std::vector<int> known;  // layers
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    sites.insert(part.site);
    if (part.site == bare && part.layer) known.push_back(*part.layer);
    const bool is_in_layers = part.layer && part.site == bare && of_layers.contains(*part.layer, layers);
    if (is_in_layers || (!part.layer && part.site == whole)) found.push_back(i);
  }
  if (found.empty() && !known.empty()) {
    throw usage_error(fmt::format("the study has {} in {} {}, and not in {}", bare,
                                  known.size() == 1 ? "layer" : "layers", fmt::join(known, ", "),
                                  to_string(of_layers)));
  }
  if (found.empty()) {
    throw usage_error(fmt::format("the study has nothing at {}: the nearest are {}", whole,
                                  fmt::join(nearest_words(whole, sites), ", ")));
  }
  return found;
}

PlanCosts plan_costs(const StudyDatabase& study, const std::vector<SitePattern>& sites,
                     const std::optional<std::string>& storage) {
  PlanCosts costs;
  const bool has_weights = sites.empty() || std::any_of(sites.begin(), sites.end(), [](const SitePattern& site) {
                             return site.kind == SiteKind::weight;
                           });
  if (has_weights) costs.storage = storage_of_parts(study, storage);
  read_parts(study, costs);
  if (!sites.empty()) take_sites(costs, sites, study.subject()->layers);
  drop_whole_sites(costs);
  check_apart(costs.parts);
  return costs;
}

}  // namespace fakequant
