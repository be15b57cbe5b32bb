// fakequant drift: where a variant's error enters, grows and dies, node by node.
#include "measure/drift.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "error.h"
#include "report/drift_report.h"
#include "measure/prepared_variants.h"
#include "text_file.h"
#include "weights/compare.h"

namespace fakequant {
namespace {

struct DriftCommandOptions : CommonOptions {
  std::string model;
  std::string text;
  std::string other;  // a model that is the variant, as it is
  RuleOptions rules;
  StorageOptions storage;
  DeviceOptions devices;
  DriftOptions drift;
  FailConditions conditions;
};

std::set<std::string> weights_that_differ(const GgufModel& a, const GgufModel& b, int threads) {
  std::set<std::string> names;
  for (const auto& tensor : compare(a, b, threads).tensors) {
    if (!tensor.bytes_identical) names.insert(tensor.name);
  }
  return names;
}

void run_drift(DriftCommandOptions& options) {
  const auto recipe = recipe_of(options.rules);
  const auto storage = settings_of(options.storage);
  options.conditions.parse();
  if (!options.other.empty() && !recipe.empty()) {
    throw usage_error("the variant is the model under rules, or that of --against: take one of them");
  }
  const GgufModel model(options.model);
  check_readable(options.text);
  std::optional<GgufModel> other;
  std::vector<std::string> files = {options.text};
  if (!options.other.empty()) {
    const auto paths = other.emplace(options.other).paths();
    files.insert(files.end(), paths.begin(), paths.end());
  }
  const auto provenance = provenance_of(options, options.devices);
  ResultOutput output(options, inputs_of(model, options.rules, recipe, files));
  if (options.rules.dry_run) {
    return write_listing(
        options, model, {.recipe = recipe, .storage = storage, .devices = options.devices, .only_named = true}, output);
  }
  PreparedVariants prepared(model, storage, options.threads);
  if (other) {
    prepared.add_model("variant", *other);
    options.drift.changed_weights = weights_that_differ(model, *other, options.threads);
  } else if (const auto rounding = prepared.add("variant", recipe)) {
    options.drift.changed_weights = changed_tensors(*rounding);
  }
  options.drift.compute.threads = options.threads;
  options.drift.compute.devices = options.devices;
  const auto result = [&] {
    ProgressLine progress(options, "drift");
    return measure_drift(model.paths(), prepared.variants().front(), text_file(options.text), options.drift,
                         progress.callback());
  }();
  const auto json = to_json(result, provenance);
  output.write(to_text(result), json);
  options.conditions.check(json);
}

}  // namespace

void add_drift(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "drift", "Where a variant's error enters, grows and dies, node by node");
  auto options = std::make_shared<DriftCommandOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.text("-f,--file", "FILE", options->text, "The text to read", Required::yes);
  arguments.text("--against", "MODEL", options->other,
                 "Another model with the same vocabulary, in place of rules; what it computes alike is compared");
  arguments.text("--nodes", "PATTERN", options->drift.nodes, "List the nodes whose whole names the pattern matches");
  arguments.number("--ctx-size", options->drift.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [min(512, what the model was trained for)]");
  arguments.number("--chunks", options->drift.chunks, 1, 1 << 30, "Read at most N chunks [4]");
  add_rule_options(arguments, options->rules);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  options->conditions.add_option(
      arguments, {"relative_error", "sqnr_db", "cosine", "max_abs", "growth", "output.relative_error",
                  "attention.relative_error", "ffn.relative_error", "logits.relative_error", "logits.sqnr_db",
                  "logits.kld.mean", "logits.top1_agreement", "not_finite_variant"});
  add_common_options(arguments, *options);
  arguments.footer(
      "Each activation of the variant is held against the baseline's, over all tokens of the chunks: its relative "
      "error\n"
      "is ||variant - baseline|| / ||baseline||. Fields of --fail-if: relative_error and others of the nodes,\n"
      "output.relative_error, attention... and ffn... of the layers, logits.relative_error, logits.kld.mean.\n"
      "Example: fakequant drift model.gguf -f text.txt --rule a:ffn_norm@3=int4 --fail-if 'output.relative_error>0.1'");
  arguments.run([options] { run_drift(*options); });
}

}  // namespace fakequant
