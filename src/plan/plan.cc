#include "plan/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "error.h"
#include "plan/cache_size.h"
#include "plan/format_choice.h"
#include "plan/plan_recipe.h"
#include "plan/suggestions.h"
#include "weights/quantize.h"

namespace fakequant {
namespace {

constexpr std::size_t kMaxFront = 400;  // mixes
constexpr int kShown = 12;              // mixes in the short table

std::string word_of(SiteKind kind) { return kind == SiteKind::weight ? "weights" : "activations"; }
std::string letter_of(SiteKind kind) { return kind == SiteKind::weight ? "w" : "a"; }

// The working state for one kind.
struct Kind {
  SiteKind kind = SiteKind::weight;
  std::vector<PlanPart> parts;
  std::vector<std::vector<std::size_t>> allowed;  // by part: indices of the options that the plan may choose
  std::vector<bool> is_kept;
  std::int64_t values = 0;
  std::optional<FormatChoice> choice;
  std::optional<double> budget;  // bits
  bool has_file = false;         // the budget is that of the file
  std::optional<FormatMix> chosen;

  double mean(std::int64_t bits) const { return static_cast<double>(bits) / static_cast<double>(values); }
  // By part: the index of the option in a mix.
  std::vector<std::size_t> options_of(const FormatMix& mix) const {
    std::vector<std::size_t> options;
    for (std::size_t p = 0; p < parts.size(); ++p) options.push_back(allowed[p][mix.options[p]]);
    return options;
  }
};

std::size_t option_of(const PlanPart& part, const KeptFormat& kept) {
  const auto format = kept.format ? to_string(*kept.format) : "none";
  std::vector<std::string> known;
  for (std::size_t o = 0; o < part.options.size(); ++o) {
    const auto name = part.options[o].rule ? part.options[o].format : "none";
    if (name == format) return o;
    known.push_back(name);
  }
  throw usage_error(fmt::format("the study has {}{} in {}, and not in {}", part.site,
                                part.layer ? fmt::format("@{}", *part.layer) : "", fmt::join(known, ", "), format));
}

class Planner {
 public:
  Planner(const StudyDatabase& study, const PlanRequest& request) : request_(request), subject_(*study.subject()) {
    auto costs = plan_costs(study, request.sites, request.storage);
    result_.notes = std::move(costs.notes);
    result_.storage = costs.storage;
    if (request.file) count_as_stored(costs.parts);
    result_.suggestions = suggestions(costs.parts, request.negligible_kld);
    keep(costs.parts);
    for (const auto kind : {SiteKind::weight, SiteKind::activation}) add_kind(kind, costs.parts);
  }

  PlanResult run() {
    result_.ctx_size = request_.ctx_size > 0 ? request_.ctx_size : subject_.ctx_size;
    set_budgets();
    choose();
    for (auto& kind : kinds_) result_.kinds.push_back(kind_plan(kind));
    fill_in();
    return std::move(result_);
  }

 private:
  void count_as_stored(std::vector<PlanPart>& parts);
  void keep(const std::vector<PlanPart>& parts);
  void add_kind(SiteKind kind, const std::vector<PlanPart>& parts);
  void set_budgets();
  void choose();
  void choose_under_bits(Kind& kind) const;
  void choose_under_kld(Kind& kind, double max_kld) const;
  void choose_for_file(Kind& kind);
  Recipe recipe_of(const Kind& kind, const FormatMix& mix) const;
  QuantizeResult foretold_file(const Recipe& recipe) const;
  void note_file(const QuantizeResult& file);
  std::uint64_t budgeted_bytes(const QuantizeResult& file) const;
  KindPlan kind_plan(const Kind& kind) const;
  std::vector<PlanPoint> uniform_plans(const Kind& kind) const;
  void add_uniform_pair();
  void fill_in();
  std::string kept_note() const { return request_.keep.empty() ? "" : " with the formats that are kept"; }

  const PlanRequest& request_;
  StudySubject subject_;
  std::optional<GgufModel> model_;                // where the budget is that of a file
  std::vector<std::optional<std::size_t>> kept_;  // by part of the study: the index of the required option
  std::vector<Kind> kinds_;
  PlanResult result_;
};

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
    result_.notes.push_back(
        fmt::format("{} variants are in formats that no file can store, and are left out.", left_out));
  }
}

void Planner::keep(const std::vector<PlanPart>& parts) {
  kept_.resize(parts.size());
  for (const auto& kept : request_.keep) {
    for (const auto part : parts_at(parts, kept.site, subject_.layers)) kept_[part] = option_of(parts[part], kept);
  }
}

void Planner::add_kind(SiteKind which, const std::vector<PlanPart>& parts) {
  Kind kind;
  kind.kind = which;
  std::vector<std::vector<FormatCost>> costs;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto& part = parts[p];
    if (part.kind != which) continue;
    auto& allowed = kind.allowed.emplace_back();
    auto& cost = costs.emplace_back();
    for (std::size_t o = 0; o < part.options.size(); ++o) {
      if (kept_[p] && *kept_[p] != o) continue;
      allowed.push_back(o);
      cost.push_back({part.options[o].bits, part.options[o].kld});
    }
    kind.parts.push_back(part);
    kind.is_kept.push_back(kept_[p].has_value());
    kind.values += part.values;
  }
  if (kind.parts.empty()) return;
  kind.values = std::max<std::int64_t>(1, kind.values);
  kind.choice.emplace(std::move(costs));
  kinds_.push_back(std::move(kind));
}

void Planner::set_budgets() {
  for (const auto& given : request_.bits) {
    bool is_used = false;
    for (auto& kind : kinds_) {
      if (given.kind && *given.kind != kind.kind) continue;
      is_used = true;
      if (kind.budget) throw usage_error(fmt::format("{} have two budgets of bits: give one", word_of(kind.kind)));
      kind.budget = given.bits;
    }
    if (!is_used) {
      throw usage_error(
          fmt::format("no {} are planned, the study has {} only", word_of(*given.kind), word_of(kinds_.front().kind)));
    }
  }
  if (request_.file) {
    const auto weights =
        std::find_if(kinds_.begin(), kinds_.end(), [](const Kind& kind) { return kind.kind == SiteKind::weight; });
    if (weights == kinds_.end()) throw usage_error("a file holds weights, and none are planned: the study has none");
    if (weights->budget) throw usage_error("weights have two budgets, one of bits and one of a file: give one");
    weights->has_file = request_.file->size || request_.file->bits_per_weight;
  }
  const auto has_none = [](const Kind& kind) { return !kind.budget && !kind.has_file; };
  const auto without = std::count_if(kinds_.begin(), kinds_.end(), has_none);
  result_.is_chosen = request_.max_kld || request_.file || !request_.bits.empty();
  if (!result_.is_chosen) return;
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
                                  word_of(kind), letter_of(kind)));
  }
}

void Planner::choose_under_bits(Kind& kind) const {
  const double max_bits = std::floor(*kind.budget * static_cast<double>(kind.values) * (1 + 1e-12));
  kind.chosen = kind.choice->under_bits(static_cast<std::int64_t>(std::min(max_bits, 9e18)));
  if (kind.chosen) return;
  throw usage_error(
      fmt::format("no plan holds the {} in {} bits: the fewest{} are {:.4f}, and more than {:.4f} have no benefit",
                  word_of(kind.kind), *kind.budget, kept_note(), kind.mean(kind.choice->min_bits()),
                  kind.mean(kind.choice->max_bits())));
}

Recipe Planner::recipe_of(const Kind& kind, const FormatMix& mix) const {
  return plan_recipe(kind.parts, kind.options_of(mix), subject_.layers);
}

QuantizeResult Planner::foretold_file(const Recipe& recipe) const {
  return foretell_quantize(*model_, recipe, {}, "plan.gguf");
}

void Planner::note_file(const QuantizeResult& file) {
  result_.file_size = file.output_size;
  result_.bits_per_weight = file.bits_per_weight();
}

std::uint64_t Planner::budgeted_bytes(const QuantizeResult& file) const {
  if (request_.file->size) return file.output_size;
  std::uint64_t data = 0;
  for (const auto& tensor : file.tensors) data += tensor.bytes;
  return data;
}

// The best mix whose file takes no more bytes than the budget. The metadata has the recipe, so its size is known only
// of a mix that was chosen: where that is too much, the next mix is chosen in so many bytes less.
void Planner::choose_for_file(Kind& kind) {
  const auto untouched = foretold_file({});
  const auto budget =
      request_.file->size
          ? *request_.file->size
          : static_cast<std::uint64_t>(*request_.file->bits_per_weight * static_cast<double>(untouched.elements()) / 8);
  std::int64_t planned = 0;
  for (const auto& part : kind.parts) planned += part.options.front().bits;
  auto limit = (static_cast<std::int64_t>(budget) - static_cast<std::int64_t>(budgeted_bytes(untouched))) * 8 + planned;
  while ((kind.chosen = kind.choice->under_bits(limit))) {
    const auto file = foretold_file(recipe_of(kind, *kind.chosen));
    if (budgeted_bytes(file) <= budget) return note_file(file);
    limit = std::min(limit, kind.chosen->bits) - static_cast<std::int64_t>(budgeted_bytes(file) - budget) * 8;
  }
  const auto smallest = foretold_file(recipe_of(kind, *kind.choice->under_bits(kind.choice->min_bits())));
  if (request_.file->size) {
    throw usage_error(fmt::format("no plan makes a file of {} bytes: the smallest{} takes {}", budget, kept_note(),
                                  smallest.output_size));
  }
  throw usage_error(fmt::format("no plan makes a file of {} bits per weight: the fewest{} are {:.4f}",
                                *request_.file->bits_per_weight, kept_note(), smallest.bits_per_weight()));
}

void Planner::choose_under_kld(Kind& kind, double max_kld) const {
  kind.chosen = kind.choice->under_kld(max_kld);
  if (kind.chosen) return;
  const double others = *request_.max_kld - max_kld;
  throw usage_error(fmt::format("no plan keeps the divergence under {:.4g} nats: the least{}{} is {:.4g}",
                                *request_.max_kld, kept_note(), others > 0 ? " under the other kind's budget" : "",
                                kind.choice->min_kld() + others));
}

void Planner::choose() {
  if (!result_.is_chosen) return;
  for (auto& kind : kinds_) {
    if (!kind.budget && !kind.has_file) continue;
    kind.has_file ? choose_for_file(kind) : choose_under_bits(kind);
    result_.kld += kind.chosen->kld;
  }
  for (auto& kind : kinds_) {
    if (kind.budget || kind.has_file) continue;
    choose_under_kld(kind, *request_.max_kld - result_.kld);
    result_.kld += kind.chosen->kld;
    if (request_.file && kind.kind == SiteKind::weight) note_file(foretold_file(recipe_of(kind, *kind.chosen)));
  }
  for (const auto& kind : kinds_) {
    const auto options = kind.options_of(*kind.chosen);
    for (std::size_t p = 0; p < kind.parts.size(); ++p) {
      const auto& part = kind.parts[p];
      const auto& option = part.options[options[p]];
      const auto values = static_cast<double>(std::max<std::int64_t>(1, part.values));
      result_.assignments.push_back({kind.kind, part.site, part.layer, option.format, kind.is_kept[p], part.values,
                                     static_cast<double>(option.bits) / values, option.kld, option.is_predicted,
                                     part.names});
    }
    const auto recipe = recipe_of(kind, *kind.chosen);
    result_.recipe.insert(result_.recipe.end(), recipe.begin(), recipe.end());
  }
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

KindPlan Planner::kind_plan(const Kind& kind) const {
  KindPlan plan;
  plan.kind = kind.kind;
  plan.parts = static_cast<int>(kind.parts.size());
  plan.values = kind.values;
  std::int64_t untouched = 0;
  for (const auto& part : kind.parts) untouched += part.options.front().bits;
  plan.untouched_bits = kind.mean(untouched);
  plan.untouched_cache_bytes = cache_bytes(kind.parts, std::vector<std::size_t>(kind.parts.size()), result_.ctx_size);
  auto front = kind.choice->front(kMaxFront);
  plan.is_front_whole = front.is_whole;
  if (kind.chosen) {
    plan.chosen_bits = kind.mean(kind.chosen->bits);
    plan.chosen_kld = kind.chosen->kld;
    plan.chosen_cache_bytes = cache_bytes(kind.parts, kind.options_of(*kind.chosen), result_.ctx_size);
    const auto next = std::lower_bound(front.mixes.begin(), front.mixes.end(), kind.chosen->bits,
                                       [](const FormatMix& mix, std::int64_t bits) { return mix.bits < bits; });
    if (next == front.mixes.end() || next->bits != kind.chosen->bits) front.mixes.insert(next, *kind.chosen);
  }
  for (const auto& mix : front.mixes) {
    PlanPoint point;
    point.bits = kind.mean(mix.bits);
    point.kld = mix.kld;
    point.is_chosen = kind.chosen && mix.bits == kind.chosen->bits;
    point.cache_bytes = cache_bytes(kind.parts, kind.options_of(mix), result_.ctx_size);
    point.recipe = recipe_of(kind, mix);
    plan.front.push_back(std::move(point));
  }
  show_some(plan.front);
  plan.uniform = uniform_plans(kind);
  return plan;
}

// Ignores PlanRequest::keep.
std::vector<PlanPoint> Planner::uniform_plans(const Kind& kind) const {
  std::vector<PlanPoint> plans;
  for (const auto& candidate : kind.parts.front().options) {
    if (!candidate.rule) continue;
    PlanPoint plan;
    plan.format = candidate.format;
    std::vector<std::size_t> options;
    std::int64_t bits = 0;
    for (const auto& part : kind.parts) {
      const auto option = std::find_if(part.options.begin(), part.options.end(), [&](const PlanOption& other) {
        return other.rule && other.format == candidate.format;
      });
      if (option == part.options.end()) break;
      options.push_back(static_cast<std::size_t>(option - part.options.begin()));
      bits += option->bits;
      plan.kld += option->kld;
    }
    if (options.size() != kind.parts.size()) continue;
    plan.bits = kind.mean(bits);
    plan.cache_bytes = cache_bytes(kind.parts, options, result_.ctx_size);
    plan.recipe = plan_recipe(kind.parts, options, subject_.layers);
    plan.is_shown = true;
    plans.push_back(std::move(plan));
  }
  std::stable_sort(plans.begin(), plans.end(), [](const PlanPoint& a, const PlanPoint& b) { return a.bits < b.bits; });
  return plans;
}

void Planner::add_uniform_pair() {
  if (!result_.is_chosen || result_.kinds.size() < 2) return;
  PlanPoint pair;
  for (const auto& kind : result_.kinds) {
    const PlanPoint* best = nullptr;
    for (const auto& plan : kind.uniform) {
      if (plan.bits <= *kind.chosen_bits && (best == nullptr || plan.kld < best->kld)) best = &plan;
    }
    if (best == nullptr) return;
    pair.kld += best->kld;
    pair.format += fmt::format("{}{}:{}", pair.format.empty() ? "" : " ", letter_of(kind.kind), best->format);
    pair.recipe.insert(pair.recipe.end(), best->recipe.begin(), best->recipe.end());
  }
  result_.uniform_pair = std::move(pair);
}

void Planner::fill_in() {
  add_uniform_pair();
  result_.study = request_.study;
  result_.model = subject_.model;
  for (const auto& text : subject_.texts) result_.texts.push_back(text.name);
  result_.layers = subject_.layers;
  result_.negligible_kld = request_.negligible_kld;
}

}  // namespace

PlanResult make_plan(const StudyDatabase& study, const PlanRequest& request) {
  auto result = Planner(study, request).run();
  result.chunks = static_cast<int>(study.baseline().size());
  return result;
}

}  // namespace fakequant
