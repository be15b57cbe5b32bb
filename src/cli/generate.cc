// fakequant generate: the same prompts continued by the baseline and the variant.
#include "measure/generate.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "cli/terminal.h"
#include "error.h"
#include "report/generation_report.h"
#include "measure/prepared_variants.h"

namespace fakequant {
namespace {

struct GenerateCommandOptions : CommonOptions {
  std::string model;
  PromptOptions prompts;
  RuleOptions rules;
  std::vector<std::string> variants;
  StorageOptions storage;
  DeviceOptions devices;
  GenerateOptions generate;
};

void run_generate(GenerateCommandOptions& options) {
  const auto variants = variants_of(options.rules, options.variants);
  const auto recipe = all_rules(variants);
  const auto storage = settings_of(options.storage);
  if (!options.generate.system.empty() && !options.generate.chat) {
    throw usage_error("--system is the beginning of a chat: add --chat");
  }
  if (options.rules.dry_run && options.prompts.file == "-") {
    throw usage_error("--dry-run writes no text and needs no prompts: leave out --prompt-file -");
  }
  const auto prompts = prompts_of(options.prompts);
  if (prompts.empty() && !options.rules.dry_run) {
    throw usage_error("no prompt is given: add -p PROMPT or --prompt-file FILE");
  }
  const GgufModel model(options.model);
  const auto provenance = provenance_of(options, options.devices);
  ResultOutput output(options, inputs_of(model, options.rules, recipe, {options.prompts.path()}));
  if (options.rules.dry_run) {
    return write_listing(
        options, model, {.recipe = recipe, .storage = storage, .devices = options.devices, .only_named = true}, output);
  }
  PreparedVariants prepared(model, storage, options.threads);
  for (const auto& variant : variants) prepared.add(variant.name, variant.recipe);
  options.generate.compute.threads = options.threads;
  options.generate.compute.devices = options.devices;
  const auto result = [&] {
    ProgressLine progress(options, "generate");
    return generate(model.paths(), prepared.variants(), prompts, options.generate, progress.callback());
  }();
  output.write(to_text(result, screen_of_stdout()), to_json(result, provenance));
}

// As llama.cpp's tools call them.
void add_sampler_options(Arguments& arguments, SamplerOptions& options) {
  arguments.group("Sampling");
  arguments.number("--temp", options.temperature, 0.0, 100.0, "Temperature; 0 takes the most likely token");
  arguments.number("--top-k", options.top_k, 0, 1 << 30, "Sample from the K most likely; 0 for all");
  arguments.number("--typical", options.typical_p, 0.0, 1.0, "Sample from the locally typical; 1 for all");
  arguments.number("--top-p", options.top_p, 0.0, 1.0,
                   "Sample from the most likely that hold this probability together");
  arguments.number("--min-p", options.min_p, 0.0, 1.0,
                   "Sample from those at least this fraction as likely as the most likely");
  arguments.number("--seed", options.seed, kHighestSeed, "Seed of the sampling, the same for all");
  arguments.number("--repeat-penalty", options.repeat_penalty, 0.01, 100.0,
                   "Make tokens that came less likely, also at --temp 0; 1: no less");
  arguments.number("--repeat-last-n", options.repeat_last_n, 0, 1 << 20, "The last tokens that penalties look at");
  arguments.number("--presence-penalty", options.presence_penalty, -100.0, 100.0,
                   "Taken from the logits of tokens that came");
  arguments.number("--frequency-penalty", options.frequency_penalty, -100.0, 100.0,
                   "Likewise, for each time that they came");
}

}  // namespace

void add_generate(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "generate", "The same prompt and seed, side by side; where they part");
  auto options = std::make_shared<GenerateCommandOptions>();
  options->command_line = command_line;
  auto& generate = options->generate;
  arguments.positional("MODEL", options->model, "A GGUF file");
  add_prompt_options(arguments, options->prompts);
  arguments.flag("--chat", generate.chat, "Each prompt is a user's message, in the model's own chat template");
  arguments.text("--system", "TEXT", generate.system, "The system's message before it, with --chat");
  arguments.number("-n,--predict", generate.max_tokens, 1, 1 << 20, "Tokens to write after each prompt");
  arguments.number("--ctx-size", generate.ctx_size, 4, 1 << 24,
                   "Tokens of the context [min(512, what the model was trained for)]");
  add_sampler_options(arguments, generate.sampler);
  add_rule_options(arguments, options->rules);
  add_variant_options(arguments, options->variants);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  add_common_options(arguments, *options);
  arguments.footer("Example: fakequant generate model.gguf -p 'What is 2+2?' --rule a:ffn_norm=bf16");
  arguments.run([options] { run_generate(*options); });
}

}  // namespace fakequant
