#include "plan/suggestions.h"

#include <algorithm>
#include <numeric>

namespace fakequant {
namespace {

double mean_bits(std::int64_t bits, std::int64_t values) {
  return static_cast<double>(bits) / static_cast<double>(std::max<std::int64_t>(1, values));
}

void add_place(PlanSuggestion& suggestion, const PlanPart& part) {
  auto& places = suggestion.places;
  auto place = std::find_if(places.begin(), places.end(), [&](const auto& other) { return other.site == part.site; });
  if (place == places.end()) place = places.insert(place, {part.site, {}});
  if (part.layer) place->layers.push_back(*part.layer);
}

// Accumulates the parts of a suggestion.
class Gathered {
 public:
  explicit Gathered(PlanSuggestion::Kind kind, const PlanPart& first, std::string format) {
    suggestion_.kind = kind;
    suggestion_.site_kind = first.kind;
    suggestion_.format = std::move(format);
  }

  bool is_about(const PlanPart& part, const std::string& format) const {
    return suggestion_.places.front().site == part.site && suggestion_.format == format;
  }

  void add(const PlanPart& part, const PlanOption& option) {
    add_place(suggestion_, part);
    ++suggestion_.parts;
    suggestion_.kld += option.kld;
    suggestion_.largest_kld = std::max(suggestion_.largest_kld, option.kld);
    values_ += part.values;
    bits_ += option.bits;
    untouched_bits_ += part.options.front().bits;
  }

  PlanSuggestion finish(int of_parts, double total_kld) {
    suggestion_.of_parts = of_parts;
    suggestion_.total_kld = total_kld;
    suggestion_.bits = mean_bits(bits_, values_);
    suggestion_.untouched_bits = mean_bits(untouched_bits_, values_);
    for (auto& place : suggestion_.places) std::sort(place.layers.begin(), place.layers.end());
    return suggestion_;
  }

 private:
  PlanSuggestion suggestion_;
  std::int64_t values_ = 0, bits_ = 0, untouched_bits_ = 0;
};

const PlanOption* option_in(const PlanPart& part, const std::string& format) {
  const auto found = std::find_if(part.options.begin(), part.options.end(),
                                  [&](const PlanOption& option) { return option.rule && option.format == format; });
  return found == part.options.end() ? nullptr : &*found;
}

void suggest_no_loss(const std::vector<const PlanPart*>& parts, double negligible,
                     std::vector<PlanSuggestion>& suggestions) {
  std::vector<Gathered> groups;
  for (const auto* part : parts) {
    const PlanOption* best = nullptr;
    for (const auto& option : part->options) {
      if (!option.rule || option.is_predicted || option.kld > negligible) continue;
      if (option.bits >= part->options.front().bits) continue;
      const bool is_better =
          best == nullptr || option.bits < best->bits || (option.bits == best->bits && option.kld < best->kld);
      if (is_better) best = &option;
    }
    if (best == nullptr) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Gathered& other) { return other.is_about(*part, best->format); });
    if (group == groups.end()) group = groups.insert(group, Gathered(PlanSuggestion::no_loss, *part, best->format));
    group->add(*part, *best);
  }
  for (auto& group : groups) suggestions.push_back(group.finish(static_cast<int>(parts.size()), 0));
}

void suggest_care(const std::vector<const PlanPart*>& parts, double negligible,
                  std::vector<PlanSuggestion>& suggestions) {
  const auto first = suggestions.size();
  for (const auto& option : parts.front()->options) {
    if (!option.rule) continue;
    std::vector<std::pair<double, const PlanPart*>> costs;
    double total = 0;
    for (const auto* part : parts) {
      const auto* own = option_in(*part, option.format);
      if (own == nullptr) break;
      costs.emplace_back(own->kld, part);
      total += own->kld;
    }
    if (costs.size() != parts.size() || total <= negligible * static_cast<double>(parts.size())) continue;
    std::stable_sort(costs.begin(), costs.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    double sum = 0;
    std::size_t count = 0;
    while (sum <= total / 2) sum += costs[count++].first;
    if (4 * count > parts.size()) continue;
    Gathered group(PlanSuggestion::costs_most, *parts.front(), option.format);
    for (std::size_t i = 0; i < count; ++i) group.add(*costs[i].second, *option_in(*costs[i].second, option.format));
    suggestions.push_back(group.finish(static_cast<int>(parts.size()), total));
  }
  std::stable_sort(suggestions.begin() + static_cast<std::ptrdiff_t>(first), suggestions.end(),
                   [](const PlanSuggestion& a, const PlanSuggestion& b) { return a.bits < b.bits; });
}

}  // namespace

std::vector<PlanSuggestion> suggestions(const std::vector<PlanPart>& parts, double negligible) {
  std::vector<PlanSuggestion> all;
  for (const auto kind : {SiteKind::weight, SiteKind::activation}) {
    std::vector<const PlanPart*> of_kind;
    for (const auto& part : parts) {
      if (part.kind == kind) of_kind.push_back(&part);
    }
    if (of_kind.empty()) continue;
    suggest_no_loss(of_kind, negligible, all);
    suggest_care(of_kind, negligible, all);
  }
  return all;
}

}  // namespace fakequant
