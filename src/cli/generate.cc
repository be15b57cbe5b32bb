// fakequant generate: the same prompts continued by the baseline and the variant.
#include "measure/generate.h"

#include "cli/command.h"
#include "cli/measurement.h"
#include "cli/terminal.h"
#include "error.h"
#include "report/generation_report.h"

namespace fakequant {
namespace {

struct GenerateCommandOptions : MeasurementOptions {
  PromptOptions prompts;
  GenerateOptions generate;
};

void run_generate(GenerateCommandOptions& options) {
  MeasurementPlan plan{.command = "generate", .variants = variants_of(options.rules, options.variants)};
  plan.inputs = {options.prompts.path()};
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
  options.generate.compute = options.compute;
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    const auto result = generate(measurement.model.paths(), measurement.prepared.variants(), prompts, options.generate,
                                 line.callback());
    return Report{to_text(result, screen_of_stdout()), to_json(result, measurement.provenance)};
  });
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

void add_generate_options(Arguments& arguments, GenerateCommandOptions& options) {
  auto& generate = options.generate;
  arguments.positional("MODEL", options.model, "A GGUF file");
  add_prompt_options(arguments, options.prompts);
  arguments.flag("--chat", generate.chat, "Each prompt is a user's message, in the model's own chat template");
  arguments.text("--system", "TEXT", generate.system, "The system's message before it, with --chat");
  arguments.number("-n,--predict", generate.max_tokens, 1, 1 << 20, "Tokens to write after each prompt");
  arguments.number("--ctx-size", generate.ctx_size, 4, 1 << 24,
                   "Tokens of the context [min(512, what the model was trained for)]");
  add_sampler_options(arguments, generate.sampler);
  add_measurement_options(arguments, options);
}

}  // namespace

Command generate_command() {
  return {.name = "generate",
          .summary = "The same prompt and seed, side by side; where they part",
          .example = "generate model.gguf -p 'What is 2+2?' --rule a:ffn_norm=bf16",
          .add = command_of(add_generate_options, run_generate)};
}

}  // namespace fakequant
