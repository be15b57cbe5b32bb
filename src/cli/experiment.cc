// fakequant experiment: all measurements on one model, and a report.
#include "experiment/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "cli/site_listing.h"
#include "error.h"
#include "gguf/output_file.h"
#include "measure/paired_ratio.h"
#include "recipe/recipe_yaml.h"
#include "report/experiment_report.h"
#include "report/page.h"
#include "text_file.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

struct ExperimentOptions : CommonOptions {
  std::string output;
  PromptOptions prompts;
  RuleOptions rules;
  StorageOptions storage;
  ExperimentRequest request;
};

void make_folder(const fs::path& folder) {
  std::error_code fault;
  fs::create_directories(folder, fault);
  if (fault || !fs::is_directory(folder)) {
    throw Error(
        fmt::format("cannot make the folder {}: {}", folder.string(), fault ? fault.message() : "it is a file"));
  }
}

// Removes the results of an earlier run, which must not lie beside those of this one.
void remove_results(const fs::path& folder) {
  for (const auto& name : experiment_files()) {
    std::error_code ignored;  // writing the new file reports the fault
    fs::remove(folder / name, ignored);
  }
}

// Writes the page where the program has one.
ExperimentPage write_page(const fs::path& folder, const Provenance& provenance) {
  if (page_template().html.empty()) return {.missing = std::string(page_template().missing)};
  const auto path = folder / "report.html";
  write_file(path, to_page(read_page_results(folder.string()), folder.string(), provenance));
  return {.path = path.string()};
}

void run_experiment_command(ExperimentOptions& options) {
  auto& request = options.request;
  request.recipe = recipe_of(options.rules, default_experiment_recipe());
  request.prompts = prompts_of(options.prompts);
  if (request.prompts.empty()) request.prompts = default_prompts();
  for (const auto& text : request.texts) check_readable(text);
  request.drift.ctx_size = request.eval.ctx_size;
  if (request.eval.chunks > 0) request.drift.chunks = std::min(request.drift.chunks, request.eval.chunks);
  request.compute = options.compute;
  const GgufModel model(request.model);
  request.storage = settings_of(options.storage);
  plan_rounding(model, rules_of_kind(request.recipe, SiteKind::weight), request.storage);  // before anything is written
  if (options.rules.dry_run) {
    ResultOutput output(options, inputs_of(model, options.rules, request.recipe));
    return write_listing(options, model, {.recipe = request.recipe, .storage = request.storage, .only_named = true},
                         output);
  }
  const auto provenance = provenance_of(options, options.compute.devices);

  const fs::path folder(options.output);
  make_folder(folder);
  auto files = request.texts;
  files.push_back(options.prompts.path());
  const auto inputs = inputs_of(model, options.rules, request.recipe, files);
  for (const auto& name : experiment_files()) {
    const auto result = folder / name;
    refuse_overwriting(inputs, result.string());
    if (is_same_file(options.json, result)) {
      throw usage_error(fmt::format("--json {} is one of the experiment's own files: name another", options.json));
    }
  }
  ResultOutput output(options, inputs);
  show_rules(options, model, request.recipe);
  remove_results(folder);
  const auto environment = describe_environment(options.compute.threads, options.compute.devices);
  write_file(folder / "recipe.yaml", to_yaml(request.recipe));
  write_file(folder / "command.txt", options.command_line + "\n");
  write_file(folder / "environment.json", to_text(to_json(environment, request.model, provenance)));

  std::unique_ptr<ProgressLine> line;
  const auto progress = [&](ExperimentStep step, double done) {
    if (!line) line = std::make_unique<ProgressLine>(options, std::string(step_name(step)));
    line->show(done);
  };
  const auto step_done = [&](ExperimentStep step, const ExperimentResult& result) {
    line.reset();
    for (const auto& [name, json] : step_files(step, result, provenance)) write_file(folder / name, to_text(json));
  };
  const auto result = run_experiment(request, step_done, progress);
  const auto report = to_markdown(result, provenance);
  write_file(folder / "report.md", report);

  const auto page = write_page(folder, provenance);
  output.write(report + files_text((folder / "report.md").string(), page), to_json(result, options.output, provenance));
}

void add_experiment_options(Arguments& arguments, ExperimentOptions& options) {
  auto& request = options.request;
  arguments.positional("MODEL", request.model, "A GGUF file");
  arguments.text("-o,--output", "DIR", options.output, "The folder for the report and its files", Required::yes);
  arguments.texts("-f,--file", "FILE", request.texts, "A text to evaluate; repeatable", Required::yes);
  add_prompt_options(arguments, options.prompts, " [three questions]");
  arguments.number("--ctx-size", request.eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("--chunks", request.eval.chunks, 1, 1 << 30, "Evaluate at most N chunks of the text [all]");
  arguments.number("-n,--predict", request.generate.max_tokens, 1, 1 << 20, "Tokens to write after each prompt");
  arguments.number("--repetitions", request.bench.repetitions, kFewestPairs, 1 << 20,
                   "Rounds of the speed measurement");
  add_rule_options(arguments, options.rules);
  add_storage_options(arguments, options.storage);
  add_device_options(arguments, options.compute.devices);
}

}  // namespace

Command experiment_command() {
  return {.name = "experiment",
          .summary = "All measurements on one model, and a report",
          .notes =
              "Weight rules and activation rules are measured as two variants. Without rules: the FFN norms' weights "
              "in truncated\n"
              "BF16 (w:ffn_norm=bf16,round=zero), and the FFN norms' results in BF16 (a:ffn_norm=bf16).",
          .example = "experiment model.gguf -o results -f text.txt -p 'What is 2+2?'",
          .add = command_of(add_experiment_options, run_experiment_command)};
}

}  // namespace fakequant
