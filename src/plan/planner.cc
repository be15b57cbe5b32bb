#include "plan/planner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/model.h"
#include "engine/model_outline.h"
#include "error.h"
#include "plan/cache_size.h"
#include "plan/plain_mixes.h"
#include "plan/plan_recipe.h"
#include "plan/read_share.h"
#include "plan/suggestions.h"

namespace fakequant {
namespace {

// What llama.cpp takes beside weights for one sequence of so many tokens, on the processor and as its tools compute.
PlanMemory memory_beside_weights(const GgufModel& model, int ctx_size, const AttentionOptions& attention) {
  check_layers(model);
  const auto memory = ModelOutline(model.paths()).memory_of({.ctx_size = ctx_size, .attention = attention});
  if (!memory) throw Error(fmt::format("llama.cpp cannot make a context of {} tokens for {}", ctx_size, model.path()));
  return {0, memory->cache, memory->compute + memory->outputs};
}

constexpr std::size_t kMaxFront = 400;  // mixes
constexpr int kShown = 12;              // mixes in the short table
constexpr int kPriceSteps = 50;         // of the search for the price of what a token reads

struct KindWords {
  const char *word, *letter;
};

KindWords words_of(PlanKind kind) {
  switch (kind) {
    case PlanKind::weights:
      return {"weights", "w"};
    case PlanKind::activations:
      return {"activations", "a"};
    case PlanKind::cache:
      return {"the cache's values", "c"};
  }
  return {"", ""};
}

std::string name_of(const PlanPart& part) {
  return part.layer ? fmt::format("{}@{}", part.site, *part.layer) : part.site;
}

std::string name_of(const PlanOption& option) { return option.rule ? option.format : "none"; }

std::size_t option_of(const PlanPart& part, const KeptFormat& kept) {
  const auto format = kept.format ? to_string(*kept.format) : "none";
  std::vector<std::string> known;
  for (std::size_t o = 0; o < part.options.size(); ++o) {
    known.push_back(name_of(part.options[o]));
    if (known.back() == format) return o;
  }
  throw usage_error(
      fmt::format("the study has {} in {}, and not in {}", name_of(part), fmt::join(known, ", "), format));
}

// The one of these options that has the name; the options' size where there is none.
std::size_t find_option(const PlanPart& part, const std::string& name) {
  std::size_t o = 0;
  while (o < part.options.size() && name_of(part.options[o]) != name) ++o;
  return o;
}

// Marks points that are about evenly spaced on a logarithmic scale of bits, and the chosen point.
void show_some(std::vector<PlanPoint>& front) {
  const double first = front.front().bits, last = front.back().bits;
  for (int i = 0; i < kShown; ++i) {
    const double bits = first * std::pow(last / first, static_cast<double>(i) / (kShown - 1));
    std::min_element(front.begin(), front.end(), [&](const PlanPoint& a, const PlanPoint& b) {
      return std::fabs(a.bits - bits) < std::fabs(b.bits - bits);
    })->is_shown = true;
  }
  for (auto& point : front) point.is_shown = point.is_shown || point.is_chosen;
}

void add_uniform_pair(PlanResult& result) {
  if (!result.is_chosen || result.kinds.size() < 2) return;
  PlanPoint pair;
  for (const auto& kind : result.kinds) {
    const PlanPoint* best = nullptr;
    for (const auto& plan : kind.uniform) {
      if (plan.bits <= *kind.chosen_bits && (best == nullptr || plan.kld < best->kld)) best = &plan;
    }
    if (best == nullptr) return;
    pair.kld += best->kld;
    pair.format += fmt::format("{}{}:{}", pair.format.empty() ? "" : " ", words_of(kind.kind).letter, best->format);
    pair.recipe.insert(pair.recipe.end(), best->recipe.begin(), best->recipe.end());
  }
  result.uniform_pair = std::move(pair);
}

}  // namespace

std::vector<std::size_t> PlannedKind::options_of(const FormatMix& mix) const {
  std::vector<std::size_t> options(parts.size());
  for (std::size_t u = 0; u < units.size(); ++u) {
    for (std::size_t i = 0; i < units[u].size(); ++i) options[units[u][i]] = choices[u][mix.options[u]][i];
  }
  return options;
}

FormatMix PlannedKind::mix_of(std::vector<std::size_t> taken) const {
  FormatMix mix;
  for (std::size_t u = 0; u < units.size(); ++u) {
    mix.bits += costs[u][taken[u]].bits;
    mix.kld += costs[u][taken[u]].kld;
  }
  mix.options = std::move(taken);
  return mix;
}

Planner::Planner(const StudyDatabase& study, const PlanRequest& request)
    : request_(request), subject_(*study.subject()), chunks_(static_cast<int>(study.baseline().size())) {
  ctx_size_ = request.ctx_size > 0 ? request.ctx_size : subject_.ctx_size;
  auto costs = plan_costs(study, request.sites, request.storage);
  notes_ = std::move(costs.notes);
  storage_ = costs.storage;
  scale(costs.parts);
  if (request.file) count_as_stored(costs.parts);
  suggestions_ = suggestions(costs.parts, request.negligible_kld);
  keep(costs.parts);
  splits_cache_ = (request.file && request.file->bytes_per_token) ||
                  std::any_of(request.bits.begin(), request.bits.end(),
                              [](const BitBudget& budget) { return budget.kind == PlanKind::cache; });
  for (const auto kind : {PlanKind::weights, PlanKind::activations, PlanKind::cache}) add_kind(kind, costs.parts);
  set_budgets();
}

// Multiplies divergences by the request's factors.
void Planner::scale(std::vector<PlanPart>& parts) const {
  for (const auto& factor : request_.factors) {
    for (auto& part : parts) {
      if (part.names.size() != 1 || part.names.front() != factor.tensor) continue;
      for (auto& option : part.options) {
        if (!option.rule || option.format != factor.format) continue;
        option.kld *= factor.factor;
        option.kld_error *= factor.factor;
      }
    }
  }
}

// Counts the bits of weights as a file stores them, and leaves out the formats that no file can store.
void Planner::count_as_stored(std::vector<PlanPart>& parts) {
  model_.emplace(request_.file->model);
  const auto refuse_other = [&] {
    return Error(
        fmt::format("{} is not the model of the study, {}: say where that is", request_.file->model, subject_.model));
  };
  if (model_->size() != subject_.model_size) throw refuse_other();
  std::size_t left_out = 0;
  for (auto& part : parts) {
    if (part.kind != SiteKind::weight) continue;
    const auto bits_of = [&](const PlanOption& option) -> std::optional<std::int64_t> {
      std::uint64_t bytes = 0;
      for (const auto& name : part.names) {
        const auto* tensor = model_->find_tensor(name);
        if (tensor == nullptr) throw refuse_other();
        const auto stored = option.rule ? padded_bytes(*model_, *tensor, option.rule->format)
                                        : std::optional(padded_bytes(*model_, *tensor));
        if (!stored) return std::nullopt;
        bytes += *stored;
      }
      return static_cast<std::int64_t>(bytes) * 8;
    };
    left_out += std::erase_if(part.options, [&](PlanOption& option) {
      const auto bits = bits_of(option);
      option.bits = bits.value_or(0);
      return !bits;
    });
  }
  if (left_out > 0) {
    notes_.push_back(fmt::format("{} variants are in formats that no file can store, and are left out.", left_out));
  }
}

void Planner::keep(const std::vector<PlanPart>& parts) {
  kept_.resize(parts.size());
  least_.resize(parts.size());
  for (const auto& kept : request_.keep) {
    for (const auto part : parts_at(parts, kept.site, subject_.layers)) kept_[part] = option_of(parts[part], kept);
  }
  for (const auto& least : request_.at_least) {
    for (const auto part : parts_at(parts, least.site, subject_.layers)) {
      least_[part] = parts[part].options[option_of(parts[part], least)].bits;
    }
  }
}

void Planner::add_kind(PlanKind which, const std::vector<PlanPart>& parts) {
  PlannedKind kind;
  kind.kind = which;
  std::vector<std::size_t> origins;  // of the kind's parts among all
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto& part = parts[p];
    const auto own = part.kind == SiteKind::weight    ? PlanKind::weights
                     : part.is_cache && splits_cache_ ? PlanKind::cache
                                                      : PlanKind::activations;
    if (own != which) continue;
    kind.parts.push_back(part);
    kind.is_kept.push_back(kept_[p].has_value());
    kind.values += part.values;
    origins.push_back(p);
  }
  if (kind.parts.empty()) return;
  kind.values = std::max<std::int64_t>(1, kind.values);
  for (const auto& unit : coupled_parts(kind.parts, request_.couples)) add_unit(kind, unit, origins);
  kind.choice.emplace(kind.costs);
  add_reads(kind);
  kinds_.push_back(std::move(kind));
}

// A unit may choose the formats that all of its parts may.
void Planner::add_unit(PlannedKind& kind, const std::vector<std::size_t>& unit,
                       const std::vector<std::size_t>& origins) {
  auto& choices = kind.choices.emplace_back();
  auto& costs = kind.costs.emplace_back();
  kind.units.push_back(unit);
  const auto may_choose = [&](std::size_t p, std::size_t o) {
    const auto& options = kind.parts[p].options;
    const auto& kept = kept_[origins[p]];
    return o < options.size() && (!kept || *kept == o) && options[o].bits >= least_[origins[p]];
  };
  for (const auto& option : kind.parts[unit.front()].options) {
    std::vector<std::size_t> choice;
    FormatCost cost;
    for (const auto p : unit) {
      const auto o = find_option(kind.parts[p], name_of(option));
      if (!may_choose(p, o)) break;
      choice.push_back(o);
      cost.bits += kind.parts[p].options[o].bits;
      cost.kld += kind.parts[p].options[o].kld;
    }
    if (choice.size() < unit.size()) continue;
    choices.push_back(std::move(choice));
    costs.push_back(cost);
  }
  if (!choices.empty()) return;
  std::vector<std::string> names;
  for (const auto p : unit) names.push_back(name_of(kind.parts[p]));
  throw usage_error(
      fmt::format("no format of the study is left for {}: couple, keep or limit less", fmt::join(names, ", ")));
}

void Planner::add_reads(PlannedKind& kind) const {
  if (!request_.file || kind.kind == PlanKind::activations) return;
  if (!request_.file->bytes_per_token && (!request_.file->active_bits_per_weight || kind.kind == PlanKind::cache))
    return;
  const auto bits_of = [&](const PlanPart& part, const PlanOption& option) {
    if (kind.kind == PlanKind::cache) {
      const auto in_full = option.rule ? tokens_in_full(option.rule->cache_tokens, ctx_size_) : 0;
      return in_full * part.options.front().bits + (ctx_size_ - in_full) * option.bits;
    }
    std::int64_t bits = 0;
    for (const auto& name : part.names) {
      const auto& tensor = *model_->find_tensor(name);
      const auto bytes =
          option.rule ? *padded_bytes(*model_, tensor, option.rule->format) : padded_bytes(*model_, tensor);
      bits += read_share(*model_, tensor).share(static_cast<std::int64_t>(bytes) * 8);
    }
    return bits;
  };
  for (std::size_t u = 0; u < kind.units.size(); ++u) {
    auto& reads = kind.reads.emplace_back();
    for (const auto& choice : kind.choices[u]) {
      std::int64_t bits = 0;
      for (std::size_t i = 0; i < choice.size(); ++i) {
        const auto& part = kind.parts[kind.units[u][i]];
        bits += bits_of(part, part.options[choice[i]]);
      }
      reads.push_back(bits);
    }
  }
}

// Bits that a token reads of the weights that are not planned.
std::int64_t Planner::other_reads() const {
  std::set<std::string> planned;
  for (const auto& kind : kinds_) {
    if (kind.kind != PlanKind::weights) continue;
    for (const auto& part : kind.parts) planned.insert(part.names.begin(), part.names.end());
  }
  std::int64_t bits = 0;
  for (const auto& tensor : model_->tensors()) {
    if (planned.contains(tensor.name)) continue;
    bits += read_share(*model_, tensor).share(static_cast<std::int64_t>(padded_bytes(*model_, tensor)) * 8);
  }
  return bits;
}

void Planner::set_budgets() {
  for (const auto& given : request_.bits) {
    bool is_used = false;
    for (auto& kind : kinds_) {
      if (given.kind && *given.kind != kind.kind) continue;
      is_used = true;
      if (kind.budget)
        throw usage_error(fmt::format("{} have two budgets of bits: give one", words_of(kind.kind).word));
      kind.budget = given.bits;
    }
    if (!is_used) {
      throw usage_error(fmt::format("no {} are planned, the study has {} only",
                                    *given.kind == PlanKind::cache ? "values of the cache" : words_of(*given.kind).word,
                                    words_of(kinds_.front().kind).word));
    }
  }
  if (const auto& file = request_.file) {
    const auto weights = std::find_if(kinds_.begin(), kinds_.end(),
                                      [](const PlannedKind& kind) { return kind.kind == PlanKind::weights; });
    if (weights == kinds_.end()) throw usage_error("a file holds weights, and none are planned: the study has none");
    if (weights->budget) throw usage_error("weights have two budgets, one of bits and one of a file: give one");
    weights->has_file =
        file->size || file->bits_per_weight || file->memory || file->active_bits_per_weight || file->bytes_per_token;
    if (file->memory) beside_weights_ = memory_beside_weights(*model_, ctx_size_, file->attention);
  }
  const auto has_none = [&](const PlannedKind& kind) { return !kind.budget && !kind.has_file && !shares_reads(kind); };
  const auto without = std::count_if(kinds_.begin(), kinds_.end(), has_none);
  is_chosen_ = request_.max_kld || request_.file || !request_.bits.empty();
  if (!is_chosen_) return;
  if (request_.max_kld) {
    if (without == 0)
      throw usage_error("a budget of bits and one of divergence are given for the same values: give one of them");
    if (without == 1) return;
    throw usage_error(
        "a budget of divergence is for one kind, and the study has weights and activations: give one of them a budget "
        "of bits, such as a:8, or plan the sites of one kind");
  }
  if (without > 0) {
    const auto kind = std::find_if(kinds_.begin(), kinds_.end(), has_none)->kind;
    throw usage_error(fmt::format("{} have no budget: give them one of bits, such as {}:8, or plan other sites only",
                                  words_of(kind).word, words_of(kind).letter));
  }
}

// Whether the kind is chosen together with others, within the bytes that a token reads.
bool Planner::shares_reads(const PlannedKind& kind) const {
  return request_.file && request_.file->bytes_per_token && !kind.budget && !kind.reads.empty();
}

std::string Planner::kept_note() const {
  if (!request_.at_least.empty() || !request_.couples.empty()) {
    return " with the formats that are kept, limited or coupled";
  }
  return request_.keep.empty() ? "" : " with the formats that are kept";
}

std::vector<std::vector<FormatCost>> Planner::costs_of(const PlannedKind& kind, const Factors& factors) const {
  auto costs = kind.costs;
  if (factors.empty()) return costs;
  const auto& own = factors[static_cast<std::size_t>(&kind - kinds_.data())];
  for (std::size_t u = 0; u < costs.size(); ++u) {
    for (auto& cost : costs[u]) cost.kld *= own[u];
  }
  return costs;
}

FormatMix Planner::under_bits(const PlannedKind& kind, const FormatChoice& choice) const {
  const double max_bits = std::floor(*kind.budget * static_cast<double>(kind.values) * (1 + 1e-12));
  if (auto mix = choice.under_bits(static_cast<std::int64_t>(std::min(max_bits, 9e18)))) return *mix;
  throw usage_error(
      fmt::format("no plan holds {}{} in {} bits: the fewest{} are {:.4f}, and more than {:.4f} have no benefit",
                  kind.kind == PlanKind::cache ? "" : "the ", words_of(kind.kind).word, *kind.budget, kept_note(),
                  kind.mean(choice.min_bits()), kind.mean(choice.max_bits())));
}

Recipe Planner::recipe_of(const PlannedKind& kind, const FormatMix& mix) const {
  return plan_recipe(kind.parts, kind.options_of(mix), subject_.layers);
}

QuantizeResult Planner::foretold_file(const Recipe& recipe) const {
  return foretell_quantize(*model_, recipe, {}, "plan.gguf");
}

std::uint64_t Planner::budgeted_bytes(const QuantizeResult& file) const {
  if (request_.file->size) return file.output_size;
  std::uint64_t data = 0;
  for (const auto& tensor : file.tensors) data += tensor.bytes;
  return data;
}

std::uint64_t Planner::budget_of_file(const QuantizeResult& untouched) const {
  const auto& file = *request_.file;
  if (file.size) return *file.size;
  if (file.memory) {
    const auto others = beside_weights_->cache + beside_weights_->compute;
    return *file.memory - std::min(*file.memory, others);
  }
  return static_cast<std::uint64_t>(*file.bits_per_weight * static_cast<double>(untouched.elements()) / 8);
}

// The best mix in so many stored bits, of which a token reads no more than its budget. With both budgets, what a token
// reads has a price: the least at which the best mix is within its budget. That mix is within both and no mix that
// reads as little is better, but between two prices a better one may be missed.
std::optional<FormatMix> Planner::in_file(const PlannedKind& kind, const FormatChoice& choice, std::int64_t limit,
                                          const Factors& factors) const {
  auto best = choice.under_bits(limit);
  if (!best || !request_.file->active_bits_per_weight) return best;
  const auto budget =
      static_cast<std::int64_t>(*request_.file->active_bits_per_weight * static_cast<double>(read_elements(*model_))) -
      other_reads();
  const auto reads_of = [&](const FormatMix& mix) {
    std::int64_t bits = 0;
    for (std::size_t u = 0; u < kind.units.size(); ++u) bits += kind.reads[u][mix.options[u]];
    return bits;
  };
  if (reads_of(*best) <= budget) return best;
  const auto costs = costs_of(kind, factors);
  const auto at_price = [&](double price) {
    auto priced = costs;
    for (std::size_t u = 0; u < priced.size(); ++u) {
      for (std::size_t c = 0; c < priced[u].size(); ++c) {
        priced[u][c].kld += price * static_cast<double>(kind.reads[u][c]);
      }
    }
    return FormatChoice(std::move(priced)).under_bits(limit);
  };
  // At the upper price a bit counts as much as all that can be lost.
  double low = 0, high = 1e-30;
  for (const auto& unit : costs) {
    for (const auto& cost : unit) high += cost.kld;
  }
  auto found = at_price(high);
  if (!found || reads_of(*found) > budget) return std::nullopt;
  for (int step = 0; step < kPriceSteps; ++step) {
    const double middle = low == 0 && step < 1 ? high * 1e-12 : low == 0 ? high / 2 : std::sqrt(low * high);
    auto mix = at_price(middle);
    if (mix && reads_of(*mix) <= budget) {
      high = middle;
      found = std::move(mix);
    } else {
      low = middle;
    }
  }
  return found;
}

// The best mix whose file takes no more bytes than the budget. The metadata has the recipe, so its size is known only
// of a mix that was chosen: where that is too much, the next mix is chosen in so many bytes less.
FormatMix Planner::for_file(const PlannedKind& kind, const FormatChoice& choice, const Factors& factors) const {
  const auto& file = *request_.file;
  if (!file.size && !file.bits_per_weight && !file.memory) {
    if (const auto mix = in_file(kind, choice, choice.max_bits(), factors)) return *mix;
    throw usage_error(
        fmt::format("no plan has {} bits for each weight that a token reads: give more", *file.active_bits_per_weight));
  }
  const auto untouched = foretold_file({});
  const auto budget = budget_of_file(untouched);
  std::int64_t planned = 0;
  for (const auto& part : kind.parts) planned += part.options.front().bits;
  auto limit = (static_cast<std::int64_t>(budget) - static_cast<std::int64_t>(budgeted_bytes(untouched))) * 8 + planned;
  while (const auto mix = in_file(kind, choice, limit, factors)) {
    const auto bytes = budgeted_bytes(foretold_file(recipe_of(kind, *mix)));
    if (bytes <= budget) return *mix;
    limit = std::min(limit, mix->bits) - static_cast<std::int64_t>(bytes - budget) * 8;
  }
  const auto smallest = foretold_file(recipe_of(kind, *choice.under_bits(choice.min_bits())));
  const std::string of_active = file.active_bits_per_weight ? fmt::format(" and {} for each weight that a token reads",
                                                                          *file.active_bits_per_weight)
                                                            : "";
  if (file.size) {
    throw usage_error(fmt::format("no plan makes a file of {} bytes{}: the smallest{} takes {}", budget, of_active,
                                  kept_note(), smallest.output_size));
  }
  if (file.memory) {
    throw usage_error(fmt::format(
        "no plan fits in {} bytes{}: the smallest{} takes {}, with a cache of {} and {} to compute with", *file.memory,
        of_active, kept_note(), budgeted_bytes(smallest) + beside_weights_->cache + beside_weights_->compute,
        beside_weights_->cache, beside_weights_->compute));
  }
  throw usage_error(fmt::format("no plan makes a file of {} bits per weight{}: the fewest{} are {:.4f}",
                                *file.bits_per_weight, of_active, kept_note(), smallest.bits_per_weight()));
}

// Weights and cache together: what a token reads of either is the same bytes.
void Planner::choose_for_reading(const Factors& factors) {
  std::vector<std::vector<FormatCost>> costs;
  auto limit = static_cast<std::int64_t>(*request_.file->bytes_per_token) * 8 - other_reads();
  for (auto& kind : kinds_) {
    if (!shares_reads(kind)) {
      for (std::size_t u = 0; u < kind.reads.size(); ++u) limit -= kind.reads[u][kind.chosen->options[u]];
      continue;
    }
    auto own = costs_of(kind, factors);
    for (std::size_t u = 0; u < own.size(); ++u) {
      for (std::size_t c = 0; c < own[u].size(); ++c) own[u][c].bits = kind.reads[u][c];
    }
    costs.insert(costs.end(), own.begin(), own.end());
  }
  const FormatChoice choice(std::move(costs));
  const auto mix = choice.under_bits(limit);
  if (!mix) {
    throw usage_error(fmt::format(
        "no plan reads {} bytes for a token: the fewest{} are {}", *request_.file->bytes_per_token, kept_note(),
        static_cast<std::int64_t>(*request_.file->bytes_per_token) + (choice.min_bits() - limit + 7) / 8));
  }
  auto next = mix->options.begin();
  for (auto& kind : kinds_) {
    if (!shares_reads(kind)) continue;
    const auto end = next + static_cast<std::ptrdiff_t>(kind.units.size());
    kind.chosen = kind.mix_of({next, end});
    next = end;
  }
}

FormatMix Planner::under_kld(const PlannedKind& kind, double max_kld) const {
  if (auto mix = kind.choice->under_kld(max_kld)) return *mix;
  const double others = *request_.max_kld - max_kld;
  throw usage_error(fmt::format("no plan keeps the divergence under {:.4g} nats: the least{}{} is {:.4g}",
                                *request_.max_kld, kept_note(), others > 0 ? " under the other kind's budget" : "",
                                kind.choice->min_kld() + others));
}

void Planner::choose(const Factors& factors) {
  if (!is_chosen_) return;
  double kld = 0;
  for (auto& kind : kinds_) {
    if (shares_reads(kind) || (!kind.budget && !kind.has_file)) continue;
    const FormatChoice scaled(costs_of(kind, factors));
    kind.chosen = kind.mix_of((kind.has_file ? for_file(kind, scaled, factors) : under_bits(kind, scaled)).options);
    kld += kind.chosen->kld;
  }
  if (request_.file && request_.file->bytes_per_token) return choose_for_reading(factors);
  for (auto& kind : kinds_) {
    if (!kind.budget && !kind.has_file) kind.chosen = under_kld(kind, *request_.max_kld - kld);
  }
}

Recipe Planner::recipe() const {
  Recipe recipe;
  for (const auto& kind : kinds_) {
    if (!kind.chosen) continue;
    const auto own = recipe_of(kind, *kind.chosen);
    recipe.insert(recipe.end(), own.begin(), own.end());
  }
  return recipe;
}

std::vector<FormatMix> Planner::chosen() const {
  std::vector<FormatMix> mixes;
  for (const auto& kind : kinds_) mixes.push_back(*kind.chosen);
  return mixes;
}

void Planner::restore(std::vector<FormatMix> mixes) {
  for (std::size_t k = 0; k < kinds_.size(); ++k) kinds_[k].chosen = std::move(mixes[k]);
}

KindPlan Planner::kind_plan(const PlannedKind& kind) const {
  KindPlan plan;
  plan.kind = kind.kind;
  plan.parts = static_cast<int>(kind.parts.size());
  plan.values = kind.values;
  std::int64_t untouched = 0;
  for (const auto& part : kind.parts) untouched += part.options.front().bits;
  plan.untouched_bits = kind.mean(untouched);
  plan.untouched_cache_bytes = cache_bytes(kind.parts, std::vector<std::size_t>(kind.parts.size()), ctx_size_);
  auto front = kind.choice->front(kMaxFront);
  plan.is_front_whole = front.is_whole;
  if (kind.chosen) {
    plan.chosen_bits = kind.mean(kind.chosen->bits);
    plan.chosen_kld = kind.chosen->kld;
    plan.chosen_cache_bytes = cache_bytes(kind.parts, kind.options_of(*kind.chosen), ctx_size_);
    const auto next = std::lower_bound(front.mixes.begin(), front.mixes.end(), kind.chosen->bits,
                                       [](const FormatMix& mix, std::int64_t bits) { return mix.bits < bits; });
    if (next == front.mixes.end() || next->options != kind.chosen->options) front.mixes.insert(next, *kind.chosen);
  }
  for (const auto& mix : front.mixes) {
    PlanPoint point;
    point.bits = kind.mean(mix.bits);
    point.kld = mix.kld;
    point.is_chosen = kind.chosen && mix.options == kind.chosen->options;
    point.cache_bytes = cache_bytes(kind.parts, kind.options_of(mix), ctx_size_);
    point.recipe = recipe_of(kind, mix);
    plan.front.push_back(std::move(point));
  }
  show_some(plan.front);
  plan.uniform = uniform_plans(kind);
  return plan;
}

// Ignores what is kept, limited or coupled.
std::vector<PlanPoint> Planner::uniform_plans(const PlannedKind& kind) const {
  std::vector<PlanPoint> plans;
  for (const auto& candidate : kind.parts.front().options) {
    if (!candidate.rule) continue;
    PlanPoint plan;
    plan.format = candidate.format;
    std::vector<std::size_t> options;
    std::int64_t bits = 0;
    for (const auto& part : kind.parts) {
      const auto o = find_option(part, candidate.format);
      if (o == part.options.size()) break;
      options.push_back(o);
      bits += part.options[o].bits;
      plan.kld += part.options[o].kld;
    }
    if (options.size() != kind.parts.size()) continue;
    plan.bits = kind.mean(bits);
    plan.cache_bytes = cache_bytes(kind.parts, options, ctx_size_);
    plan.recipe = plan_recipe(kind.parts, options, subject_.layers);
    plan.is_shown = true;
    plans.push_back(std::move(plan));
  }
  std::stable_sort(plans.begin(), plans.end(), [](const PlanPoint& a, const PlanPoint& b) { return a.bits < b.bits; });
  return plans;
}

void Planner::add_chosen(PlanResult& result) const {
  std::int64_t reads = 0;
  for (const auto& kind : kinds_) {
    result.kld += kind.chosen->kld;
    for (std::size_t u = 0; u < kind.reads.size(); ++u) reads += kind.reads[u][kind.chosen->options[u]];
    const auto options = kind.options_of(*kind.chosen);
    for (std::size_t p = 0; p < kind.parts.size(); ++p) {
      const auto& part = kind.parts[p];
      const auto& option = part.options[options[p]];
      const auto values = static_cast<double>(std::max<std::int64_t>(1, part.values));
      result.assignments.push_back({kind.kind, part.site, part.layer, option.format, kind.is_kept[p], part.values,
                                    static_cast<double>(option.bits) / values, option.kld, option.is_predicted,
                                    part.names});
    }
    if (request_.file && kind.kind == PlanKind::weights) {
      const auto file = foretold_file(recipe_of(kind, *kind.chosen));
      result.file_size = file.output_size;
      result.bits_per_weight = file.bits_per_weight();
      result.plain_mixes = plain_mixes(*model_, kind.parts);
      if (beside_weights_) {
        result.memory = PlanMemory{budgeted_bytes(file), beside_weights_->cache, beside_weights_->compute};
      }
    }
  }
  result.recipe = recipe();
  if (!request_.file) return;
  if (request_.file->bytes_per_token) {
    result.bytes_per_token = static_cast<std::uint64_t>((reads + other_reads() + 7) / 8);
  }
  if (request_.file->active_bits_per_weight) {
    result.active_bits_per_weight =
        static_cast<double>(reads + other_reads()) / static_cast<double>(read_elements(*model_));
  }
}

PlanResult Planner::result() const {
  PlanResult result;
  result.study = request_.study;
  result.model = subject_.model;
  for (const auto& text : subject_.texts) result.texts.push_back(text.name);
  result.chunks = chunks_;
  result.storage = storage_;
  result.layers = subject_.layers;
  result.ctx_size = ctx_size_;
  for (const auto& kind : kinds_) result.kinds.push_back(kind_plan(kind));
  result.is_chosen = is_chosen_;
  if (is_chosen_) add_chosen(result);
  add_uniform_pair(result);
  result.negligible_kld = request_.negligible_kld;
  result.suggestions = suggestions_;
  result.notes = notes_;
  return result;
}

}  // namespace fakequant
