// fakequant calibrate: static ranges for activations.
#include "measure/calibrate.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "cli/command.h"
#include "error.h"
#include "measure/prepared_variants.h"
#include "measure/sequential_hessians.h"
#include "report/calibration_report.h"

namespace fakequant {
namespace {

struct CalibrateCommandOptions : CommonOptions {
  std::string model;
  std::string text;
  std::string output;
  std::string importance;
  std::string hessians;
  std::string channels;
  std::string range = "absmax";
  bool sequential = false;
  bool channel_statistics = false;
  RuleOptions rules;
  StorageOptions storage;
  CalibrateOptions calibrate;
};

void check_sequential(const CalibrateCommandOptions& options) {
  if (options.hessians.empty()) {
    throw usage_error("--sequential collects Hessians: add --hessian FILE, the one that the rules name");
  }
  if (options.output.empty() && options.importance.empty() && options.channels.empty()) return;
  throw usage_error("--sequential collects Hessians alone: write ranges, importances and channels in another run");
}

void run_calibrate(CalibrateCommandOptions& options) {
  settle_by_recipe(options, options.rules);
  settle_compute(options);
  if (options.sequential) check_sequential(options);
  if (options.output.empty() && options.importance.empty() && options.hessians.empty() && options.channels.empty()) {
    throw usage_error(
        "nothing is to be written: give -o for ranges, --imatrix for an importance matrix, --hessian for Hessians, or "
        "--channels for those of products' inputs");
  }
  // What is excepted may be the inputs that are recorded without rules.
  auto exceptions = std::exchange(options.rules.exceptions, {});
  auto recipe = recipe_of(options.rules);
  const auto storage = settings_of(options.storage, options.compute);
  if (!options.output.empty() && rules_of_kind(recipe, SiteKind::activation).empty()) {
    for (const auto& rule : default_calibration_recipe()) recipe.push_back(rule);
  }
  about("--except", [&] { add_exceptions(recipe, exceptions_of(exceptions)); });
  about("--range", [&] { options.calibrate.range = parse_recorded_range(options.range); });
  const GgufModel model(options.model);
  const auto text = text_file(options.text);
  const auto provenance = provenance_of(options, options.compute);
  // The rules may name the file of ranges that is written here: calibration does not read it.
  auto inputs = model.paths();
  inputs.insert(inputs.end(), {options.text, options.rules.recipe_file});
  for (const auto& rule : recipe) {
    if (rule.pattern.kind != SiteKind::weight) continue;
    // Those that are collected for the rule are not read either.
    if (options.sequential && names_file(rule, options.hessians)) continue;
    for (auto& file : format_files(rule.format)) inputs.push_back(std::move(file));
  }
  ResultOutput output(options, inputs,
                      {{"-o", options.output},
                       {"--imatrix", options.importance},
                       {"--hessian", options.hessians},
                       {"--channels", options.channels}});
  std::optional<OutputFile> ranges, importance, hessians, channels;
  if (!options.output.empty()) ranges.emplace(options.output);
  if (!options.importance.empty()) importance.emplace(options.importance);
  if (!options.hessians.empty()) hessians.emplace(options.hessians);
  if (!options.channels.empty()) channels.emplace(options.channels);
  options.calibrate.importance = importance.has_value();
  options.calibrate.hessians = hessians.has_value();
  options.calibrate.channels = channels.has_value();
  prepare_threads(options);
  show_rules(options, model, recipe);
  options.calibrate.compute = options.compute;
  auto result = [&] {
    ProgressLine progress(options, "calibrate");
    if (options.sequential) {
      const auto rules = rules_of_kind(recipe, SiteKind::weight);
      return calibrate_in_sequence(model, rules, options.hessians, storage, text, options.calibrate,
                                   progress.callback());
    }
    PreparedVariants prepared(model, storage, options.compute.threads);
    prepared.add("calibrated", recipe);
    const auto& variant = prepared.variants().front();
    return calibrate(variant.model, variant.taps, text, options.calibrate, progress.callback());
  }();
  result.model = model.path();
  const auto detail = options.channel_statistics ? ChannelDetail::all : ChannelDetail::absmax;
  if (ranges) write_text(*ranges, ranges_text(result, provenance, detail));
  if (importance) write_text(*importance, importance_file(*result.importance));
  if (hessians) write_text(*hessians, hessian_bytes(*result.hessians));
  if (channels) write_channels(*channels, *result.channels, model, options.compute.threads);
  if (ranges) ranges->commit();
  if (importance) importance->commit();
  if (hessians) hessians->commit();
  if (channels) channels->commit();
  output.write(to_text(result), options.json.empty() ? Json() : to_json(result, provenance));
}

void add_calibrate_options(Arguments& arguments, CalibrateCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.text("-f,--file", "FILE", options.text, "The text to read", Required::yes);
  arguments.text("-o,--output", "RANGES", options.output, "The file of ranges to write, as JSON");
  arguments.flag("--channel-statistics", options.channel_statistics,
                 "Write the extremes, percentiles and octaves of each channel to RANGES, and not its absmax alone");
  arguments.text("--imatrix", "OUT.gguf", options.importance,
                 "Write an importance matrix, as llama-imatrix does, beside the ranges or alone");
  arguments.text("--hessian", "FILE", options.hessians, "Write the Hessians of products' inputs, which fit=gptq reads");
  arguments.flag("--sequential", options.sequential,
                 "Collect a layer's Hessians with the layers before it rounded, by the rules that take them from FILE");
  arguments.text("--channels", "OUT.gguf", options.channels,
                 "Write the largest magnitude of each channel of products' inputs, which smooth= reads");
  arguments.text("--range", "RANGE", options.range,
                 "The range to use: absmax, percentile:P of the magnitudes, entropy[:BITS], mse[:FORMAT], history:N or "
                 "average:WEIGHT");
  arguments.number("-c,--ctx-size", options.calibrate.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("--chunks", options.calibrate.chunks, 1, 1 << 30, "Read at most N chunks [all]");
  add_rule_options(arguments, options.rules, RuleKinds::all, DryRun::no);
  add_storage_options(arguments, options.storage);
  add_compute_options(arguments, options);
}

}  // namespace

Command calibrate_command() {
  return {
      .name = "calibrate",
      .summary = "Record the ranges of activations, for range=static:FILE, importance matrices, Hessians, and channels",
      .notes =
          "Activation rules select the values that are recorded, whatever their format; none is rounded. Without\n"
          "them: a:in(*), the input of every weight's product. Weight rules round the weights first. --imatrix "
          "collects\n"
          "what quantize --imatrix and llama-quantize read; llama-imatrix computes in native arithmetic.",
      .example = "calibrate model.gguf -f text.txt -o ranges.json --rule a:ffn_input=int8",
      .add = command_of(add_calibrate_options, run_calibrate)};
}

}  // namespace fakequant
