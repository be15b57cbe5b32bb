// fakequant bench: what the rounding costs in speed.
#include "measure/bench.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "measure/paired_ratio.h"
#include "report/bench_report.h"
#include "measure/prepared_variants.h"

namespace fakequant {
namespace {

struct BenchCommandOptions : CommonOptions {
  std::string model;
  RuleOptions rules;
  std::vector<std::string> variants;
  StorageOptions storage;
  DeviceOptions devices;
  BenchOptions bench;
  FailConditions conditions;
};

void run_bench(BenchCommandOptions& options) {
  const auto variants = variants_of(options.rules, options.variants);
  const auto recipe = all_rules(variants);
  options.conditions.parse();
  const auto storage = settings_of(options.storage);
  const GgufModel model(options.model);
  const auto provenance = provenance_of(options, options.devices);
  ResultOutput output(options, inputs_of(model, options.rules, recipe));
  if (options.rules.dry_run) {
    return write_listing(
        options, model, {.recipe = recipe, .storage = storage, .devices = options.devices, .only_named = true}, output);
  }
  PreparedVariants prepared(model, storage, options.threads);
  for (const auto& variant : variants) prepared.add(variant.name, variant.recipe);
  options.bench.compute.threads = options.threads;
  options.bench.compute.devices = options.devices;
  const auto result = [&] {
    ProgressLine progress(options, "bench");
    return bench(model.paths(), prepared.variants(), options.bench, progress.callback());
  }();
  const auto json = to_json(result, provenance);
  output.write(to_text(result), json);
  options.conditions.check(json);
}

}  // namespace

void add_bench(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "bench", "What the rounding costs in speed");
  auto options = std::make_shared<BenchCommandOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.number("--prompt-tokens", options->bench.prompt_tokens, 1, 1 << 20,
                   "Tokens of the prompt [half of the default context]");
  arguments.number("--decode-tokens", options->bench.decode_tokens, 1, 1 << 20,
                   "Tokens decoded one by one [32, or what the context has room for]");
  arguments.number("--repetitions", options->bench.repetitions, kFewestPairs, 1 << 20,
                   "Rounds in which baseline and variant take turns");
  add_rule_options(arguments, options->rules);
  add_variant_options(arguments, options->variants);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  options->conditions.add_option(arguments, {"prompt.ratio_low", "prompt.ratio", "prompt.ratio_high",
                                             "decode.ratio_low", "decode.ratio", "decode.ratio_high"});
  add_common_options(arguments, *options);
  arguments.footer("Example: fakequant bench model.gguf --rule a:ffn_norm=bf16");
  arguments.run([options] { run_bench(*options); });
}

}  // namespace fakequant
