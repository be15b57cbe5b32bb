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
  MeasurementPlan plan{.command = "generate",
                       .variants = variants_of(options.rules, options.variants),
                       .arithmetic = Arithmetic::native};
  plan.inputs = options.prompts.whole;
  plan.inputs.push_back(options.prompts.path());
  if (!options.generate.system.empty() && !options.generate.chat) {
    throw usage_error("--system needs a chat: add --chat");
  }
  if (options.rules.dry_run && options.prompts.file == "-") {
    throw usage_error("--dry-run writes no text and needs no prompts: leave out --prompt-file -");
  }
  const auto prompts = prompts_of(options.prompts);
  if (prompts.empty() && !options.rules.dry_run) {
    throw usage_error("no prompt is given: add -p PROMPT or --prompt-file FILE");
  }
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    options.generate.compute = options.compute;
    const auto result = generate(measurement.model.paths(), measurement.prepared.variants(), prompts, options.generate,
                                 line.callback());
    return Report{to_text(result, screen_of_stdout()), to_json(result, measurement.provenance)};
  });
}

// With the names that llama.cpp's tools use.
void add_sampler_options(Arguments& arguments, SamplerOptions& options) {
  arguments.group("Sampling");
  arguments.number("--temp", options.temperature, 0.0, 100.0, "Temperature; 0 takes the most likely token");
  arguments.number("--top-k", options.top_k, 0, 1 << 30, "Sample from the K most likely tokens; 0 for all");
  arguments.number("--typical", options.typical_p, 0.0, 1.0, "Sample from the locally typical tokens; 1 for all");
  arguments.number("--top-p", options.top_p, 0.0, 1.0,
                   "Sample from the most likely tokens that reach this probability together");
  arguments.number("--min-p", options.min_p, 0.0, 1.0,
                   "Sample from tokens at least this fraction as likely as the most likely one");
  arguments.number("-s,--seed", options.seed, kHighestSeed, "Seed of the sampling, the same for all models");
  arguments.number("--repeat-penalty", options.repeat_penalty, 0.01, 100.0,
                   "Make earlier tokens less likely, also at --temp 0; 1: off");
  arguments.number("--repeat-last-n", options.repeat_last_n, 0, 1 << 20,
                   "The number of last tokens that penalties apply to");
  arguments.number("--presence-penalty", options.presence_penalty, -100.0, 100.0,
                   "Subtracted from the logits of earlier tokens");
  arguments.number("--frequency-penalty", options.frequency_penalty, -100.0, 100.0,
                   "Likewise, for each earlier occurrence");
}

void add_generate_options(Arguments& arguments, GenerateCommandOptions& options) {
  auto& generate = options.generate;
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  add_prompt_options(arguments, options.prompts);
  arguments.texts("-f,--file", "FILE", options.prompts.whole, "A file that is a prompt, the whole of it; repeatable");
  arguments.flag("--chat", generate.chat, "Each prompt is a user's message, in the model's own chat template");
  arguments.text("--system", "TEXT", generate.system, "The system's message before it, with --chat");
  arguments.number("-n,--predict,--n-predict", generate.max_tokens, 1, 1 << 20, "Tokens to write after each prompt");
  arguments.number("-c,--ctx-size", generate.ctx_size, 4, 1 << 24,
                   "Tokens of the context [512, or the model's training context if shorter]");
  add_sampler_options(arguments, generate.sampler);
  add_measurement_options(arguments, options, SeveralVariants::offered, Arithmetic::native);
  options.conditions.add_option(arguments, {"agreement", "forced_agreement", "identical"}, "forced_agreement<0.9");
}

}  // namespace

Command generate_command() {
  return {
      .name = "generate",
      .summary = "Baseline and variants continue the same prompts: where the texts differ",
      .notes =
          "Fields of --fail-if, of a variant and a prompt: agreement and forced_agreement (0 to 1), identical (0 or "
          "1).",
      .example = "generate model.gguf -p 'What is 2+2?' --rule a:ffn_norm=bf16",
      .add = command_of(add_generate_options, run_generate)};
}

}  // namespace fakequant
