// fakequant drift: where a variant's error enters, grows and shrinks, node by node.
#include "measure/drift.h"

#include "cli/command.h"
#include "cli/measurement.h"
#include "error.h"
#include "report/drift_report.h"
#include "weights/compare.h"

namespace fakequant {
namespace {

struct DriftCommandOptions : MeasurementOptions {
  std::string text;
  std::string other;  // a model to use as the variant, as it is
  DriftOptions drift;
};

std::set<std::string> weights_that_differ(const GgufModel& a, const GgufModel& b, int threads) {
  std::set<std::string> names;
  for (const auto& tensor : compare(a, b, threads).tensors) {
    if (!tensor.bytes_identical) names.insert(tensor.name);
  }
  return names;
}

void run_drift(DriftCommandOptions& options) {
  MeasurementPlan plan{.command = "drift", .has_named_entries = false, .inputs = {options.text}};
  auto recipe = recipe_of(options.rules);
  const auto text = text_file(options.text);
  std::optional<GgufModel> other;
  if (options.other.empty()) {
    plan.variants.push_back({"variant", std::move(recipe), {}, recipe_settings_of(options.rules)});
  } else {
    if (!recipe.empty()) {
      throw usage_error("rules and --against both define the variant: take one of them");
    }
    const auto paths = other.emplace(options.other).paths();
    plan.inputs.insert(plan.inputs.end(), paths.begin(), paths.end());
  }
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    options.drift.compute = options.compute;
    if (other) {
      measurement.prepared.add_model("variant", *other);
      options.drift.changed_weights = weights_that_differ(measurement.model, *other, options.compute.threads);
    }
    for (const auto& rounding : measurement.roundings) {
      options.drift.changed_weights = changed_tensors(rounding.rounding);
    }
    const auto result = measure_drift(measurement.model.paths(), measurement.prepared.variants().front(), text,
                                      options.drift, line.callback());
    auto json = to_json(result, measurement.provenance);
    json["calibration_overlaps"] =
        show_overlaps(options, formats_of(measurement.rules), {{result.text, result.windows}});
    return Report{to_text(result), std::move(json)};
  });
}

void add_drift_options(Arguments& arguments, DriftCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.text("-f,--file", "FILE", options.text, "The text to read", Required::yes);
  arguments.text("--against", "MODEL", options.other,
                 "Another model with the same vocabulary, instead of rules; nodes that both have are compared");
  arguments.text("--nodes", "PATTERN", options.drift.nodes, "List the nodes whose whole names the pattern matches");
  arguments.number("-c,--ctx-size", options.drift.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("--chunks", options.drift.chunks, 1, 1 << 30, "Read at most N chunks [4]");
  add_measurement_options(arguments, options, SeveralVariants::no);
  options.conditions.add_option(arguments,
                                {"relative_error", "sqnr_db", "cosine", "max_abs", "growth", "output.relative_error",
                                 "attention.relative_error", "ffn.relative_error", "logits.relative_error",
                                 "logits.sqnr_db", "logits.kld.mean", "logits.top1_agreement", "not_finite_variant"},
                                "output.relative_error>0.1");
}

}  // namespace

Command drift_command() {
  return {.name = "drift",
          .summary = "Where a variant's error enters, grows and shrinks, node by node",
          .notes =
              "Each activation of the variant is compared with the baseline's, over all tokens of the chunks: its "
              "relative error\n"
              "is ||variant - baseline|| / ||baseline||. Fields of --fail-if: relative_error and others of the nodes,\n"
              "output.relative_error, attention... and ffn... of the layers, logits.relative_error, logits.kld.mean.",
          .example = "drift model.gguf -f text.txt --rule a:ffn_norm@3=int4 --fail-if 'output.relative_error>0.1'",
          .add = command_of(add_drift_options, run_drift)};
}

}  // namespace fakequant
