#include "plan/refine_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "error.h"
#include "plan/planner.h"

namespace fakequant {
namespace {

constexpr double kFactor = 1.6;           // of a move
constexpr double kErrorsToAccept = 1.64;  // standard errors: 95 % of what is no gain is refused
constexpr int kMaxSteps = 6;              // by the factor: 17 times as dear or cheap
constexpr int kLayerGroups = 3;

// A unit of a kind.
using Place = std::pair<std::size_t, std::size_t>;
using Places = std::vector<Place>;

Estimate mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() > 1 ? std::sqrt(squares / (count - 1) / count) : 0};
}

Estimate difference_of(const std::vector<double>& after, const std::vector<double>& before) {
  std::vector<double> differences(after.size());
  for (std::size_t i = 0; i < after.size(); ++i) differences[i] = after[i] - before[i];
  return mean_of(differences);
}

// The third of the layers that a part is in; those without a layer are a group of their own.
int layer_group(const PlanPart& part, int layers) {
  return part.layer ? std::min(*part.layer * kLayerGroups / std::max(1, layers), kLayerGroups - 1) : kLayerGroups;
}

// The units that a move changes together, coarse ones first. Groups that are all units, or that another move changes
// already, are left out.
std::vector<Places> groups_of(const std::vector<PlannedKind>& kinds) {
  int layers = 1;
  std::size_t units = 0;
  for (const auto& kind : kinds) {
    units += kind.units.size();
    for (const auto& part : kind.parts) layers = std::max(layers, part.layer.value_or(0) + 1);
  }
  using Key = std::pair<std::string, int>;
  std::map<Key, Places> by_site, by_layers, by_both, single;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    for (std::size_t u = 0; u < kinds[k].units.size(); ++u) {
      if (kinds[k].choices[u].size() < 2) continue;
      const auto& first = kinds[k].parts[kinds[k].units[u].front()];
      const int group = layer_group(first, layers);
      by_site[{first.site, 0}].emplace_back(k, u);
      by_layers[{"", group}].emplace_back(k, u);
      by_both[{first.site, group}].emplace_back(k, u);
      single[{first.site, first.layer.value_or(-1)}].emplace_back(k, u);
    }
  }
  std::vector<Places> groups;
  std::set<Places> known;
  for (const auto* level : {&by_site, &by_layers, &by_both, &single}) {
    for (const auto& [key, places] : *level) {
      if (places.size() < units && known.insert(places).second) groups.push_back(places);
    }
  }
  return groups;
}

class Refinement {
 public:
  Refinement(Planner& planner, const RefineRequest& request) : planner_(planner), request_(request) {}

  PlanRefinement run() {
    for (const auto& kind : planner_.kinds()) factors_.emplace_back(kind.units.size(), 1.0);
    PlanRefinement result;
    const auto first = measure();
    if (!first) throw Error("interrupted: the plan has not been measured");
    best_ = *first;
    result.first = result.last = mean_of(best_);
    const auto groups = groups_of(planner_.kinds());
    bool is_gaining = true;
    while (is_gaining && !is_over_) {
      is_gaining = false;
      for (const auto& group : groups) {
        for (const double factor : {kFactor, 1 / kFactor}) {
          bool is_better = true;
          while (is_better && !is_over_) {
            is_better = move(group, factor);
            is_gaining = is_gaining || is_better;
          }
        }
        if (is_over_) break;
      }
    }
    result.is_exhausted = !is_over_;
    result.tried = tried_;
    result.accepted = accepted_;
    result.last = mean_of(best_);
    result.difference = difference_of(best_, *first);
    return result;
  }

 private:
  using Key = std::vector<std::vector<std::size_t>>;  // by kind: what its units got
  static Key key_of(const std::vector<FormatMix>& mixes) {
    Key key;
    for (const auto& mix : mixes) key.push_back(mix.options);
    return key;
  }

  // Measures the chosen mix.
  std::optional<std::vector<double>> measure() {
    known_.insert(key_of(planner_.chosen()));
    return request_.measure(planner_.recipe());
  }

  // Returns whether the move gains. If it does not, all is as before. A factor that changes nothing is raised until it
  // does.
  bool move(const Places& group, double factor) {
    const auto before = factors_;
    const auto mixes = planner_.chosen();
    for (int step = 0; step < kMaxSteps && !is_over_; ++step) {
      for (const auto& [kind, unit] : group) factors_[kind][unit] *= factor;
      planner_.choose(factors_);
      if (key_of(planner_.chosen()) == key_of(mixes)) continue;
      if (!known_.contains(key_of(planner_.chosen())) && is_gain()) return true;
      break;
    }
    factors_ = before;
    planner_.restore(mixes);
    return false;
  }

  bool is_gain() {
    if (tried_ == request_.tries) is_over_ = true;
    if (is_over_) return false;
    const auto klds = measure();
    if (!klds) is_over_ = true;
    if (!klds) return false;
    ++tried_;
    const auto difference = difference_of(*klds, best_);
    if (!(difference.value < -kErrorsToAccept * difference.error)) return false;
    best_ = *klds;
    ++accepted_;
    return true;
  }

  Planner& planner_;
  const RefineRequest& request_;
  Planner::Factors factors_;
  std::set<Key> known_;  // mixes that were measured
  std::vector<double> best_;
  int tried_ = 0, accepted_ = 0;
  bool is_over_ = false;
};

}  // namespace

PlanResult refine_plan(const StudyDatabase& study, const PlanRequest& request, const RefineRequest& refine) {
  if (request.max_kld) {
    throw usage_error("a plan is refined within a budget of bits or bytes, and not within one of divergence");
  }
  Planner planner(study, request);
  if (!planner.is_chosen()) throw usage_error("a plan is refined within a budget: give one of bits or bytes");
  planner.choose();
  const auto refinement = Refinement(planner, refine).run();
  auto result = planner.result();
  result.refinement = refinement;
  return result;
}

}  // namespace fakequant
