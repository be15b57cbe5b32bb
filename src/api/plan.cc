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
  check_budget("bits of a file's weight", options.file_bits_per_weight);
  if (options.file_size && options.file_bits_per_weight) {
    throw usage_error("a size and bits per weight are budgets of the same file: give one of them");
  }
  PlanRequest request;
  request.study = options.study;
  for (const auto& site : options.sites) request.sites.push_back(parse_site_pattern(site));
  for (const auto& kept : options.keep) request.keep.push_back(kept_format(kept));
  if (options.weight_bits) request.bits.push_back({PlanKind::weights, *options.weight_bits});
  if (options.activation_bits) request.bits.push_back({PlanKind::activations, *options.activation_bits});
  if (options.file_size || options.file_bits_per_weight) {
    const auto& model = options.model.empty() ? subject.model : options.model;
    request.file =
        FileBudget{.model = model, .size = options.file_size, .bits_per_weight = options.file_bits_per_weight};
  }
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
    const bool is_weight = kind.kind == PlanKind::weights;
    (is_weight ? plan.weight_bits : plan.activation_bits) = kind.chosen_bits;
    (is_weight ? plan.weight_front : plan.activation_front) = front_of(kind);
  }
  plan.file_size = result.file_size;
  plan.file_bits_per_weight = result.bits_per_weight;
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
