#include "cli/measurement.h"

#include "cli/site_listing.h"

namespace fakequant {

void add_measurement_options(Arguments& arguments, MeasurementOptions& options, SeveralVariants several) {
  add_rule_options(arguments, options.rules);
  if (several == SeveralVariants::offered) add_variant_options(arguments, options.variants);
  add_storage_options(arguments, options.storage);
  add_device_options(arguments, options.compute.devices);
}

void run_measurement(MeasurementOptions& options, const MeasurementPlan& plan, const Measure& measure) {
  const auto recipe = all_rules(plan.variants);
  const auto storage = settings_of(options.storage);
  options.conditions.parse();
  const GgufModel model(options.model);
  const auto provenance = provenance_of(options, options.compute.devices);
  ResultOutput output(options, inputs_of(model, options.rules, recipe, plan.inputs));
  if (options.rules.dry_run) {
    return write_listing(options, model, {.recipe = recipe, .storage = storage, .only_named = true}, output);
  }
  for (const auto& variant : plan.variants) {
    show_rules(options, model, variant.recipe, plan.variants.size() > 1 ? variant.name : "");
  }
  PreparedVariants prepared(model, storage, options.compute.threads);
  std::vector<NamedRounding> roundings;
  for (const auto& variant : plan.variants) {
    if (auto rounding = prepared.add(variant.name, variant.recipe)) roundings.push_back({variant.name, *rounding});
  }
  const auto report = [&] {
    ProgressLine line(options, plan.command);
    return measure({model, provenance, prepared, roundings}, line);
  }();
  if (!report) return;
  output.write(report->text, report->json);
  options.conditions.check(report->json);
}

}  // namespace fakequant
