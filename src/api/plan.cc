// Plans of the C++ interface, by the functions that `fakequant plan` calls.
#include "plan/plan.h"

#include <fmt/format.h>

#include <fakequant/plan.hpp>

#include "api/boundary.h"
#include "api/parsed_rules.h"

namespace fakequant::v0 {
namespace {

void check_budget(const char* what, const std::optional<double>& value) {
  if (value && !(*value > 0)) throw usage_error(fmt::format("{} {} are no budget: give more than 0", *value, what));
}

fakequant::KeptFormat kept_format(const KeptFormat& kept) {
  fakequant::KeptFormat parsed{parse_site_pattern(kept.site), std::nullopt};
  if (!kept.format.empty()) parsed.format = parse_rule_format(kept.format);
  return parsed;
}

PlanRequest request_of(const PlanOptions& options, const StudySubject& subject) {
  check_budget("bits of a weight", options.weight_bits);
  check_budget("bits of an activation", options.activation_bits);
  check_budget("bits of a value of the cache", options.cache_bits);
  check_budget("bits of a file's weight", options.file_bits_per_weight);
  check_budget("bits of a weight that a token reads", options.active_bits_per_weight);
  const int budgets =
      static_cast<int>(options.file_size.has_value()) + static_cast<int>(options.file_bits_per_weight.has_value()) +
      static_cast<int>(options.memory.has_value()) + static_cast<int>(options.bytes_per_token.has_value());
  if (budgets > 1) {
    throw usage_error(
        "a size, bits per weight, memory and bytes per token are budgets of the same file: give one of them");
  }
  if (options.bytes_per_token && options.active_bits_per_weight) {
    throw usage_error("bytes per token and active bits per weight both limit what a token reads: give one of them");
  }
  PlanRequest request;
  request.study = options.study;
  for (const auto& site : options.sites) request.sites.push_back(parse_site_pattern(site));
  for (const auto& kept : options.keep) request.keep.push_back(kept_format(kept));
  for (const auto& least : options.at_least) request.at_least.push_back(kept_format(least));
  for (const auto& name : options.couples) request.couples.push_back(parse_couple(name));
  if (options.weight_bits) request.bits.push_back({PlanKind::weights, *options.weight_bits});
  if (options.activation_bits) request.bits.push_back({PlanKind::activations, *options.activation_bits});
  if (options.cache_bits) request.bits.push_back({PlanKind::cache, *options.cache_bits});
  if (budgets > 0 || options.active_bits_per_weight) {
    request.file = FileBudget{.model = options.model.empty() ? subject.model : options.model,
                              .size = options.file_size,
                              .bits_per_weight = options.file_bits_per_weight,
                              .memory = options.memory,
                              .bytes_per_token = options.bytes_per_token,
                              .active_bits_per_weight = options.active_bits_per_weight};
  }
  request.ctx_size = options.ctx_size;
  request.max_kld = options.max_kld;
  request.storage = options.storage;
  request.negligible_kld = options.negligible_kld;
  return request;
}

std::vector<PlanPoint> front_of(const KindPlan& kind) {
  std::vector<PlanPoint> front;
  for (const auto& point : kind.front) front.push_back({point.bits, point.kld, rules_as_text(point.recipe)});
  return front;
}

Plan plan_of(const PlanResult& result) {
  Plan plan;
  plan.is_chosen = result.is_chosen;
  plan.kld = result.kld;
  plan.rules = rules_as_text(result.recipe);
  for (const auto& assigned : result.assignments) {
    plan.sites.push_back(
        {assigned.site, assigned.layer, assigned.format, assigned.values, assigned.bits, assigned.kld});
  }
  for (const auto& kind : result.kinds) {
    const auto of_kind = [&](auto& weights, auto& activations, auto& cache) -> auto& {
      return kind.kind == PlanKind::weights ? weights : kind.kind == PlanKind::cache ? cache : activations;
    };
    of_kind(plan.weight_bits, plan.activation_bits, plan.cache_bits) = kind.chosen_bits;
    of_kind(plan.weight_front, plan.activation_front, plan.cache_front) = front_of(kind);
  }
  plan.file_size = result.file_size;
  plan.file_bits_per_weight = result.bits_per_weight;
  if (const auto& memory = result.memory) plan.memory = memory->weights + memory->cache + memory->compute;
  plan.bytes_per_token = result.bytes_per_token;
  plan.active_bits_per_weight = result.active_bits_per_weight;
  plan.notes = result.notes;
  return plan;
}

}  // namespace

Plan plan(const PlanOptions& options) {
  return at_boundary([&] {
    const StudyDatabase study(options.study, StudyAccess::read);
    const auto subject = study.subject();
    if (!subject) throw Error(fmt::format("{} is empty: it holds no study", options.study));
    const auto request = request_of(options, *subject);
    return about(options.study, [&] { return plan_of(make_plan(study, request)); });
  });
}

}  // namespace fakequant::v0
