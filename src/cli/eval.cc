// fakequant eval: perplexity and KL divergence of a variant against the baseline.
#include "measure/eval.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "report/apply_report.h"
#include "report/eval_report.h"
#include "study/prepared_variants.h"
#include "text_file.h"

namespace fakequant {
namespace {

struct EvalCommandOptions : CommonOptions {
  std::string model;
  std::string text;
  RuleOptions rules;
  StorageOptions storage;
  DeviceOptions devices;
  EvalOptions eval;
};

void eval(EvalCommandOptions& options) {
  const auto recipe = recipe_of(options.rules);
  const auto storage = settings_of(options.storage);
  const GgufModel model(options.model);
  const auto text = read_text(options.text);
  const auto provenance = provenance_of(options, options.devices);
  ResultOutput output(options, inputs_of(model, options.rules, recipe, {options.text}));
  if (options.rules.dry_run) {
    return write_listing(
        options, model, {.recipe = recipe, .storage = storage, .devices = options.devices, .only_named = true}, output);
  }
  PreparedVariants prepared(model, storage, options.threads);
  const auto rounding = prepared.add("variant", recipe);
  options.eval.threads = options.threads;
  options.eval.devices = options.devices;
  const auto result = [&] {
    ProgressLine progress(options, "eval");
    return evaluate(model.paths(), prepared.variants(), text, options.text, options.eval, progress.callback());
  }();
  auto text_result = to_text(result);
  auto json = to_json(result, provenance);
  if (rounding) {
    text_result += "\n" + rounding_table(*rounding).to_text() + rounding_summary(*rounding) + storage_note(*rounding);
    json["weights"] = rounding_json(*rounding);
  }
  output.write(text_result, json);
}

}  // namespace

void add_eval(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "eval", "Perplexity and KL divergence, baseline against variant");
  auto options = std::make_shared<EvalCommandOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.text("-f,--file", "FILE", options->text, "The text to evaluate", Required::yes);
  arguments.number("--ctx-size", options->eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [min(512, what the model was trained for)]");
  arguments.number("--chunks", options->eval.chunks, 1, 1 << 30, "Evaluate at most N chunks [all]");
  add_rule_options(arguments, options->rules);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  add_common_options(arguments, *options);
  arguments.footer(
      "Without rules the model is measured against itself: its perplexity, and a divergence of exactly 0.\n"
      "Example: fakequant eval model.gguf -f text.txt --rule a:ffn_norm=bf16");
  arguments.run([options] { eval(*options); });
}

}  // namespace fakequant
