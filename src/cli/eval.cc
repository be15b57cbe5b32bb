// fakequant eval: perplexity and KL divergence of a variant against the baseline.
#include "measure/eval.h"

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <set>

#include "cli/commands.h"
#include "cli/interruption.h"
#include "cli/options.h"
#include "cli/site_listing.h"
#include "error.h"
#include "report/apply_report.h"
#include "report/eval_report.h"
#include "report/score_figures.h"
#include "measure/prepared_variants.h"
#include "text_file.h"

namespace fakequant {
namespace {

struct EvalCommandOptions : CommonOptions {
  std::string model;
  std::vector<std::string> texts;
  std::vector<std::string> others;  // models to measure as they are
  RuleOptions rules;
  std::vector<std::string> variants;
  StorageOptions storage;
  DeviceOptions devices;
  EvalOptions eval;
  FailConditions conditions;
};

// A model is called by its file's name.
std::string name_of_model(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// Adds a variant of that name, which must be a new one.
void add_name(std::set<std::string>& names, const std::string& name) {
  if (!names.insert(name).second) {
    throw usage_error(fmt::format("two variants are called '{}': rename the file or the variant", name));
  }
}

std::string running_perplexity(const EvalProgress& progress, const std::vector<Variant>& variants) {
  auto text = fmt::format("[{}] baseline {:.4f}", progress.chunks, progress.baseline_ppl);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    text += fmt::format(", {} {:.4f}", variants[v].name, progress.variants[v]);
  }
  return text;
}

void eval(EvalCommandOptions& options) {
  auto variants = variants_of(options.rules, options.variants);
  const auto storage = settings_of(options.storage);
  options.conditions.parse();
  const auto recipe = all_rules(variants);
  const GgufModel model(options.model);
  for (const auto& text : options.texts) check_readable(text);
  const auto provenance = provenance_of(options, options.devices);
  auto files = options.texts;
  std::deque<GgufModel> others;
  std::set<std::string> names;
  for (const auto& variant : variants) add_name(names, variant.name);
  for (const auto& path : options.others) {
    const auto paths = others.emplace_back(path).paths();
    files.insert(files.end(), paths.begin(), paths.end());
    add_name(names, name_of_model(path));
  }
  ResultOutput output(options, inputs_of(model, options.rules, recipe, files));
  if (options.rules.dry_run) {
    return write_listing(
        options, model, {.recipe = recipe, .storage = storage, .devices = options.devices, .only_named = true}, output);
  }
  // Without anything to measure, the model is measured against itself.
  if (variants.empty() && others.empty()) variants.push_back({"variant", {}});
  PreparedVariants prepared(model, storage, options.threads);
  std::vector<std::pair<std::string, ApplyResult>> roundings;
  for (const auto& variant : variants) {
    if (auto rounding = prepared.add(variant.name, variant.recipe)) roundings.emplace_back(variant.name, *rounding);
  }
  for (const auto& other : others) prepared.add_model(name_of_model(other.path()), other);
  options.eval.compute.threads = options.threads;
  options.eval.compute.devices = options.devices;
  options.eval.is_stopped = Interruption::is_asked_for;
  const auto result = [&] {
    const Interruption interruption;
    ProgressLine line(options, "eval");
    options.eval.progress = [&](const EvalProgress& progress) {
      line.show(progress.done, running_perplexity(progress, prepared.variants()));
    };
    return evaluate(model.paths(), prepared.variants(), text_files(options.texts), options.eval);
  }();
  if (result.chunks == 0) return;  // interrupted before there was anything
  auto text_result = to_text(result);
  auto json = to_json(result, provenance);
  for (const auto& [name, rounding] : roundings) {
    text_result += fmt::format("\nThe weights of {}:\n\n{}{}{}", name, rounding_table(rounding).to_text(),
                               rounding_summary(rounding), storage_note(rounding));
    for (auto& tensor : rounding_json(rounding)) {
      tensor["variant"] = name;
      json["weights"].push_back(std::move(tensor));
    }
  }
  output.write(text_result, json);
  options.conditions.check(json);
}

}  // namespace

void add_eval(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "eval", "Perplexity and KL divergence, baseline against variant");
  auto options = std::make_shared<EvalCommandOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.texts("-f,--file", "FILE", options->texts, "A text to evaluate; repeatable", Required::yes);
  arguments.texts("--against", "MODEL", options->others,
                  "Another model with the same vocabulary, measured as it is; repeatable");
  arguments.number("--ctx-size", options->eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [min(512, what the model was trained for)]");
  arguments.number("--batch-size", options->eval.compute.batch_size, 1, 1 << 24,
                   "Tokens that go through the model together, at most [512]");
  arguments.number("--chunks", options->eval.chunks, 1, 1 << 30, "Evaluate at most N chunks of each text [all]");
  add_rule_options(arguments, options->rules);
  add_variant_options(arguments, options->variants);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  options->conditions.add_option(arguments, figure_fields());
  add_common_options(arguments, *options);
  arguments.footer(
      "Without rules the model is measured against itself: its perplexity, and a divergence of exactly 0.\n"
      "Several variants are measured beside one pass of the baseline: --variant w4=w4.yaml --variant w8=w8.yaml.\n"
      "Ctrl-C ends with what has been measured so far.\n"
      "Example: fakequant eval model.gguf -f text.txt --rule a:ffn_norm=bf16 --fail-if 'kld.mean>0.001'");
  arguments.run([options] {
    eval(*options);
    if (Interruption::is_asked_for()) Interruption::leave();
  });
}

}  // namespace fakequant
