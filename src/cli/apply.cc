// fakequant apply: writes a model with rounded weights.
#include "weights/apply.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "error.h"
#include "report/apply_report.h"

namespace fakequant {
namespace {

struct ApplyOptions : CommonOptions {
  std::string model;
  std::string output;
  RuleOptions rules;
};

void apply(const ApplyOptions& options) {
  auto recipe = recipe_of(options.rules);
  if (const auto taps = rules_of_kind(recipe, SiteKind::activation); !taps.empty()) {
    throw usage_error(fmt::format(
        "rule '{}' is about activations, which no file holds: use it with eval, generate, bench or experiment",
        to_string(taps.front())));
  }
  if (recipe.empty()) recipe = default_weight_recipe();
  const GgufFile file(options.model);
  const std::vector<std::string> inputs = {options.model, options.rules.recipe_file};
  refuse_overwriting({options.rules.recipe_file}, options.output);
  if (is_same_file(options.json, options.output)) {
    throw usage_error(fmt::format("-o and --json are both {}: name two files", options.output));
  }
  ResultOutput output(options, inputs);
  const auto result = [&] {
    ProgressLine progress(options, "apply");
    return apply_to_file(file, recipe, options.output, options.threads, progress.callback());
  }();
  output.write(to_text(result), to_json(result, provenance_of(options, false)));
}

}  // namespace

void add_apply(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "apply", "Write a model with rounded weights");
  auto options = std::make_shared<ApplyOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file; it is only read");
  arguments.text("-o,--output", "OUT", options->output, "The GGUF file to write", Required::yes);
  add_rule_options(arguments, options->rules, RuleKinds::weights);
  add_common_options(arguments, *options);
  arguments.footer(
      "Without rules: w:ffn_norm=bf16,round=zero, as the reference experiment's script did.\n"
      "Example: fakequant apply model.gguf -o rounded.gguf --rule 'w:*norm*=bf16'");
  arguments.run([options] { apply(*options); });
}

}  // namespace fakequant
