// fakequant experiment: all of it, and a report.
#include "experiment/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "error.h"
#include "gguf/output_file.h"
#include "measure/paired_ratio.h"
#include "recipe/recipe_yaml.h"
#include "report/bench_report.h"
#include "report/census_report.h"
#include "report/compare_report.h"
#include "report/drift_report.h"
#include "report/eval_report.h"
#include "report/experiment_report.h"
#include "report/generation_report.h"
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
  DeviceOptions devices;
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

constexpr std::array kResultNames = {"recipe.yaml",   "command.txt", "environment.json",   "inspect.json",
                                     "compare.json",  "eval.json",   "drift-weights.json", "drift-activations.json",
                                     "generate.json", "bench.json",  "report.md",          "report.html"};

// Removes what an earlier run left: results of two runs must not lie beside each other.
void remove_results(const fs::path& folder) {
  for (const auto* name : kResultNames) {
    std::error_code ignored;  // writing the new one will say what is wrong
    fs::remove(folder / name, ignored);
  }
}

Json step_json(ExperimentStep step, const ExperimentResult& result, const Provenance& provenance) {
  switch (step) {
    case ExperimentStep::inspect:
      return to_json(result.census, provenance);
    case ExperimentStep::compare:
      return to_json(*result.comparison, provenance);
    case ExperimentStep::eval:
      return to_json(result.eval, provenance);
    case ExperimentStep::drift:
      break;  // a file for each variant
    case ExperimentStep::generate:
      return to_json(result.generation, provenance);
    case ExperimentStep::bench:
      return to_json(result.bench, provenance);
  }
  return {};
}

void write_step(const fs::path& folder, ExperimentStep step, const ExperimentResult& result,
                const Provenance& provenance) {
  if (step != ExperimentStep::drift) {
    write_file(folder / fmt::format("{}.json", step_name(step)), to_text(step_json(step, result, provenance)));
    return;
  }
  for (std::size_t v = 0; v < result.drifts.size(); ++v) {
    write_file(folder / fmt::format("drift-{}.json", result.eval.variants[v].name),
               to_text(to_json(result.drifts[v], provenance)));
  }
}

// Writes the page beside the report; says where it is, or why it is not.
std::string write_page(const fs::path& folder, const Provenance& provenance) {
  if (page_template().html.empty()) return fmt::format("No page: {}", page_template().missing);
  const auto path = folder / "report.html";
  write_file(path, to_page(read_page_results(folder.string()), folder.string(), provenance));
  return fmt::format("The same with charts, for any browser: {}", path.string());
}

void experiment(ExperimentOptions& options) {
  auto& request = options.request;
  request.recipe = recipe_of(options.rules);
  if (request.recipe.empty()) request.recipe = default_experiment_recipe();
  request.prompts = prompts_of(options.prompts);
  if (request.prompts.empty()) request.prompts = default_prompts();
  for (const auto& text : request.texts) check_readable(text);
  request.drift.ctx_size = request.eval.ctx_size;
  if (request.eval.chunks > 0) request.drift.chunks = std::min(request.drift.chunks, request.eval.chunks);
  request.compute.threads = options.threads;
  request.compute.devices = options.devices;
  const GgufModel model(request.model);
  request.storage = settings_of(options.storage);
  plan_rounding(model, rules_of_kind(request.recipe, SiteKind::weight), request.storage);  // before anything is written
  if (options.rules.dry_run) {
    ResultOutput output(options, inputs_of(model, options.rules, request.recipe));
    return write_listing(
        options, model,
        {.recipe = request.recipe, .storage = request.storage, .devices = options.devices, .only_named = true}, output);
  }
  const auto provenance = provenance_of(options, options.devices);

  const fs::path folder(options.output);
  make_folder(folder);
  auto files = request.texts;
  files.push_back(options.prompts.path());
  const auto inputs = inputs_of(model, options.rules, request.recipe, files);
  for (const auto* name : kResultNames) {
    const auto result = folder / name;
    refuse_overwriting(inputs, result.string());
    if (is_same_file(options.json, result)) {
      throw usage_error(fmt::format("--json {} is one of the experiment's own files: name another", options.json));
    }
  }
  ResultOutput output(options, inputs);
  remove_results(folder);
  const auto environment = describe_environment(options.threads, options.devices);
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
    write_step(folder, step, result, provenance);
  };
  const auto result = run_experiment(request, step_done, progress);
  const auto report = to_markdown(result, provenance);
  write_file(folder / "report.md", report);

  auto json = json_file("experiment", request.model, provenance);
  json["folder"] = options.output;
  json["recipe"] = to_string(request.recipe);
  json["eval"] = to_json(result.eval, provenance);
  json["drift"] = Json::array();
  for (const auto& drift : result.drifts) json["drift"].push_back(to_json(drift, provenance));
  json["generate"] = to_json(result.generation, provenance);
  json["bench"] = to_json(result.bench, provenance);
  const auto page = write_page(folder, provenance);
  output.write(report + fmt::format("\n(This report: {}. {})\n", (folder / "report.md").string(), page), json);
}

}  // namespace

void add_experiment(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "experiment", "All of it on one model, and a report");
  auto options = std::make_shared<ExperimentOptions>();
  options->command_line = command_line;
  auto& request = options->request;
  arguments.positional("MODEL", request.model, "A GGUF file");
  arguments.text("-o,--output", "DIR", options->output, "The folder for the report and its files", Required::yes);
  arguments.texts("-f,--file", "FILE", request.texts, "A text to evaluate; repeatable", Required::yes);
  add_prompt_options(arguments, options->prompts, " [three questions]");
  arguments.number("--ctx-size", request.eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [min(512, what the model was trained for)]");
  arguments.number("--chunks", request.eval.chunks, 1, 1 << 30, "Evaluate at most N chunks of the text [all]");
  arguments.number("-n,--predict", request.generate.max_tokens, 1, 1 << 20, "Tokens to write after each prompt");
  arguments.number("--repetitions", request.bench.repetitions, kFewestPairs, 1 << 20,
                   "Rounds of the speed measurement");
  add_rule_options(arguments, options->rules);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  add_common_options(arguments, *options);
  arguments.footer(
      "Weight rules and activation rules are measured as two variants. Without rules: the FFN norms' weights in "
      "truncated\n"
      "BF16 (w:ffn_norm=bf16,round=zero), and the FFN norms' results in BF16 (a:ffn_norm=bf16).\n"
      "Example: fakequant experiment model.gguf -o results -f text.txt -p 'What is 2+2?'");
  arguments.run([options] { experiment(*options); });
}

}  // namespace fakequant
