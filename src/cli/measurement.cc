#include "cli/measurement.h"

#include <fmt/format.h>

#include "cli/site_listing.h"
#include "error.h"

namespace fakequant {

void add_measurement_options(Arguments& arguments, MeasurementOptions& options, SeveralVariants several,
                             Arithmetic arithmetic) {
  add_rule_options(arguments, options.rules);
  if (several == SeveralVariants::offered) add_variant_options(arguments, options.variants);
  add_storage_options(arguments, options.storage);
  add_compute_options(arguments, options, arithmetic);
}

namespace {

// The variants as they would be measured, without the weights that their rules round.
std::vector<Variant> unprepared(const GgufModel& model, const std::vector<NamedRecipe>& recipes,
                                const std::vector<AttentionOptions>& attentions) {
  std::vector<Variant> variants;
  for (std::size_t v = 0; v < recipes.size(); ++v) {
    auto& variant = variants.emplace_back();
    variant.name = recipes[v].name;
    variant.model = model.paths();
    variant.taps = rules_of_kind(recipes[v].recipe, SiteKind::activation);
    variant.attention = attentions[v];
    if (variant.taps.size() < recipes[v].recipe.size()) variant.weights = std::make_shared<ChangedWeights>();
  }
  return variants;
}

}  // namespace

void run_measurement(MeasurementOptions& options, const MeasurementPlan& plan, const Measure& measure) {
  const auto recipe = all_rules(plan.variants);
  settle_by_recipes(options, plan.variants);
  settle_compute(options, plan.arithmetic);
  std::vector<AttentionOptions> attentions;
  for (const auto& variant : plan.variants) {
    about(fmt::format("the recipe of {}", variant.name), [&] {
      attentions.push_back(attention_of(variant.settings));
      check_attention(settled(attentions.back(), options.compute.attention), options.compute.arithmetic);
    });
  }
  const auto storage = settings_of(options.storage, options.compute);
  auto names = plan.models;
  for (const auto& variant : plan.variants) names.push_back(variant.name);
  options.conditions.parse(plan.has_named_entries ? names : std::vector<std::string>{});
  const GgufModel model(options.model);
  const auto provenance = provenance_of(options, options.compute);
  auto inputs = plan.inputs;
  for (const auto& variant : plan.variants) inputs.push_back(variant.file);
  ResultOutput output(options, inputs_of(model, options.rules, recipe, inputs));
  if (options.rules.dry_run) {
    if (plan.foretell) plan.foretell(model, unprepared(model, plan.variants, attentions));
    return write_listings(options, model, {.storage = storage, .only_named = true}, plan.variants, output);
  }
  for (const auto& variant : plan.variants) {
    show_rules(options, model, variant.recipe, plan.variants.size() > 1 ? variant.name : "");
  }
  prepare_threads(options);
  PreparedVariants prepared(model, storage, options.compute.threads,
                            plan.weights.value_or(suitable_for(options.compute)), weight_memory_for(options.compute));
  std::vector<NamedRounding> roundings;
  for (std::size_t v = 0; v < plan.variants.size(); ++v) {
    const auto& variant = plan.variants[v];
    auto rounding = prepared.add(variant.name, variant.recipe, {attentions[v], attention_text(variant.settings)});
    if (rounding) roundings.push_back({variant.name, std::move(*rounding)});
  }
  auto report = [&] {
    ProgressLine line(options, plan.command);
    return measure({model, provenance, prepared, roundings, recipe}, line);
  }();
  if (!report) return;
  const auto cache = settled(options.compute.attention, options.compute.arithmetic);
  report->json["cache_type_k"] = cache.k;
  report->json["cache_type_v"] = cache.v;
  output.write(report->text, report->json);
  options.conditions.check(report->json);
}

}  // namespace fakequant
