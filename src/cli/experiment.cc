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
#include "report/score_figures.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

struct ExperimentOptions : CommonOptions {
  std::string output;
  std::vector<std::string> texts;
  std::vector<std::string> variants;
  FailConditions conditions;
  PromptOptions prompts;
  RuleOptions rules;
  StorageOptions storage;
  ExperimentRequest request;
};

// Names become names of files.
void check_names(const std::vector<ExperimentVariant>& variants) {
  for (const auto& [name, recipe] : variants) {
    constexpr auto kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name.find_first_not_of(kAllowed) != std::string::npos || name.starts_with('.')) {
      throw usage_error(
          fmt::format("a variant cannot be called '{}' here, because files get its name: take letters, "
                      "digits, '.', '_' and '-'",
                      name));
    }
    if (name == "weights" || name == "activations") {
      throw usage_error(fmt::format("'{}' is the variant of the rules: call the other one differently", name));
    }
  }
}

// The files of a variant of its own.
std::vector<std::string> files_of(const ExperimentVariant& variant) {
  return {fmt::format("recipe-{}.yaml", variant.name), fmt::format("drift-{}.json", variant.name)};
}

// Throws a usage error for a recipe that has attention computed otherwise.
void check_settings(const std::string& variant, const RecipeSettings& settings) {
  if (const auto text = attention_text(settings); !text.empty()) {
    throw usage_error(fmt::format(
        "{} of the recipe of {} is for eval, generate, bench and drift: the experiment measures rules", text, variant));
  }
}

// What the rules and the variants of the command line ask for. Returns the files of the variants' recipes.
std::vector<std::string> set_variants(ExperimentOptions& options, ExperimentRequest& request) {
  std::vector<std::string> files;
  if (options.variants.empty()) {
    check_settings("the rules", settle_by_recipe(options, options.rules));
    request.recipe = recipe_of(options.rules, default_experiment_recipe());
    return files;
  }
  auto variants = variants_of(options.rules, options.variants);
  settle_by_recipes(options, variants);
  for (auto& variant : variants) {
    check_settings(variant.name, variant.settings);
    if (variant.file.empty()) {
      request.recipe = std::move(variant.recipe);
      continue;
    }
    files.push_back(variant.file);
    request.variants.push_back({variant.name, std::move(variant.recipe)});
  }
  check_names(request.variants);
  return files;
}

// The names that conditions may be about.
std::vector<std::string> names_of(const ExperimentRequest& request) {
  std::vector<std::string> names;
  if (!rules_of_kind(request.recipe, SiteKind::weight).empty()) names.emplace_back("weights");
  if (!rules_of_kind(request.recipe, SiteKind::activation).empty()) names.emplace_back("activations");
  for (const auto& variant : request.variants) names.push_back(variant.name);
  return names;
}

std::vector<NamedRecipe> named_recipes(const ExperimentRequest& request) {
  std::vector<NamedRecipe> all;
  if (!request.recipe.empty()) all.push_back({"variant", request.recipe});
  for (const auto& [name, recipe] : request.variants) all.push_back({name, recipe});
  return all;
}

// Removes the results of an earlier run, which must not lie beside those of this one.
void remove_results(const fs::path& folder) {
  std::vector<fs::path> of_variants;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(folder, fault)) {
    const auto name = entry.path().filename().string();
    if ((name.starts_with("drift-") && name.ends_with(".json")) ||
        (name.starts_with("recipe-") && name.ends_with(".yaml"))) {
      of_variants.push_back(entry.path());
    }
  }
  for (const auto& path : of_variants) fs::remove(path, fault);
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
  auto files = set_variants(options, request);
  settle_compute(options);
  options.conditions.parse(names_of(request));
  request.prompts = prompts_of(options.prompts);
  if (request.prompts.empty()) request.prompts = default_prompts();
  request.texts = text_files(options.texts);
  request.drift.ctx_size = request.eval.ctx_size;
  if (request.eval.chunks > 0) request.drift.chunks = std::min(request.drift.chunks, request.eval.chunks);
  request.compute = options.compute;
  if (!options.arithmetic.empty()) request.generation_arithmetic = options.compute.arithmetic;
  const GgufModel model(request.model);
  request.storage = settings_of(options.storage, options.compute);
  const auto recipes = named_recipes(request);
  for (const auto& variant : recipes) {  // before anything is written
    plan_rounding(model, rules_of_kind(variant.recipe, SiteKind::weight), request.storage);
  }
  if (options.rules.dry_run) {
    ResultOutput output(options, inputs_of(model, options.rules, all_rules(recipes)));
    return write_listings(options, model, {.storage = request.storage, .only_named = true}, recipes, output);
  }
  const auto provenance = provenance_of(options, options.compute);

  const fs::path folder(options.output);
  make_folder(options.output);
  files.insert(files.end(), options.texts.begin(), options.texts.end());
  files.push_back(options.prompts.path());
  const auto inputs = inputs_of(model, options.rules, all_rules(recipes), files);
  auto names = experiment_files();
  for (const auto& variant : request.variants) {
    for (const auto& name : files_of(variant)) names.push_back(name);
  }
  std::vector<NamedOutput> outputs;
  for (const auto& name : names) {
    const auto result = folder / name;
    outputs.push_back({"-o", result.string()});
    if (is_same_file(options.json, result)) {
      throw usage_error(fmt::format("--json {} is one of the experiment's own files: name another", options.json));
    }
  }
  ResultOutput output(options, inputs, outputs);
  for (const auto& variant : recipes) {
    show_rules(options, model, variant.recipe, request.variants.empty() ? "" : variant.name);
  }
  remove_results(folder);
  prepare_threads(options);
  const auto environment = describe_environment(options.compute.threads, options.compute.devices);
  if (!request.recipe.empty()) write_file(folder / "recipe.yaml", to_yaml(request.recipe));
  for (const auto& variant : request.variants) write_file(folder / files_of(variant).front(), to_yaml(variant.recipe));
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
  const auto json = to_json(result, options.output, provenance);
  output.write(report + files_text((folder / "report.md").string(), page), json);
  options.conditions.check(json["eval"]);
}

void add_experiment_options(Arguments& arguments, ExperimentOptions& options) {
  auto& request = options.request;
  arguments.positional("-m,--model,MODEL", request.model, "A GGUF file");
  arguments.text("-o,--output", "DIR", options.output, "The folder for the report and its files", Required::yes);
  arguments.texts("-f,--file", "FILE", options.texts, "A text to evaluate; repeatable", Required::yes);
  add_prompt_options(arguments, options.prompts, " [three questions]");
  arguments.number("-c,--ctx-size", request.eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("--chunks", request.eval.chunks, 1, 1 << 30, "Evaluate at most N chunks of the text [all]");
  arguments.number("-n,--predict,--n-predict", request.generate.max_tokens, 1, 1 << 20,
                   "Tokens to write after each prompt");
  arguments.number("--repetitions", request.bench.repetitions, kFewestPairs, 1 << 20,
                   "Rounds of the speed measurement");
  options.conditions.add_option(arguments, figure_fields(), "kld.mean>0.01");
  add_rule_options(arguments, options.rules);
  add_variant_options(arguments, options.variants);
  add_compute_options(arguments, options);
  add_storage_options(arguments, options.storage);
}

}  // namespace

Command experiment_command() {
  return {.name = "experiment",
          .summary = "All measurements on one model, and a report",
          .notes =
              "Weight rules and activation rules are measured as two variants. Without rules: the FFN norms' weights "
              "in truncated\n"
              "BF16 (w:ffn_norm=bf16,round=zero), and the FFN norms' results in BF16 (a:ffn_norm=bf16). --variant "
              "NAME=RECIPE adds variants with "
              "recipes of their own,\nof which all rules are measured together.",
          .example = "experiment model.gguf -o results -f text.txt -p 'What is 2+2?'",
          .add = command_of(add_experiment_options, run_experiment_command)};
}

}  // namespace fakequant
