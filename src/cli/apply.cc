// fakequant apply: writes a model with rounded weights.
#include "weights/apply.h"

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/site_listing.h"
#include "error.h"
#include "gguf/tensor_type.h"
#include "report/apply_report.h"

namespace fakequant {
namespace {

struct ApplyCommandOptions : CommonOptions {
  std::string model;
  std::string output;
  bool no_provenance = false;
  bool hash_everything = false;
  RuleOptions rules;
  StorageOptions storage;
  std::string store;
};

void run_apply(ApplyCommandOptions& options) {
  // To promote or store otherwise is a wish by itself: then the reference experiment's rule is none.
  const bool is_stored_otherwise = !options.storage.promote.empty() || !options.store.empty();
  const auto recipe = recipe_of(options.rules, is_stored_otherwise ? Recipe{} : default_weight_recipe());
  if (const auto taps = rules_of_kind(recipe, SiteKind::activation); !taps.empty()) {
    throw usage_error(
        fmt::format("rule '{}' names activations, which no file holds: use it with eval, generate, bench or experiment",
                    to_string(taps.front())));
  }
  auto settings = settings_of(options.storage);
  if (!options.store.empty()) {
    if (settings.promote_to || settings.requantize) {
      throw usage_error("--store says how all tensors are stored: leave --promote and --requantize out");
    }
    settings.store_as = about("--store", [&] { return plain_float_type(options.store); });
  }
  settings.promote_all = recipe.empty() && settings.promote_to.has_value();
  settings.provenance = !options.no_provenance;
  settings.hash_everything = options.hash_everything;
  const GgufModel model(options.model);
  // That the model is no output is checked again where the output is opened: with a message of its own.
  std::vector<NamedOutput> outputs;
  for (const auto& path : part_paths(options.output, model.parts().size())) outputs.push_back({"-o", path});
  refuse_overwriting(rule_files(options.rules, recipe), outputs);
  if (!options.json.empty()) outputs.push_back({"--json", options.json});
  refuse_overwriting({}, outputs);
  ResultOutput output(options, inputs_of(model, options.rules, recipe));
  if (options.rules.dry_run) {
    return write_listing(options, model,
                         {.recipe = recipe, .storage = settings, .only_named = true, .weights_only = true}, output);
  }
  show_rules(options, model, recipe);
  const auto result = [&] {
    ProgressLine progress(options, "apply");
    return apply_to_files(model, recipe, settings, options.output, options.compute.threads, progress.callback());
  }();
  output.write(to_text(result), to_json(result, provenance_of(options)));
}

void add_apply_options(Arguments& arguments, ApplyCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file; it is only read");
  arguments.text("-o,--output", "OUT", options.output, "The GGUF file to write", Required::yes);
  add_rule_options(arguments, options.rules, RuleKinds::weights);
  add_storage_options(arguments, options.storage);
  arguments.text(
      "--store", "TYPE", options.store,
      "Store all float and quantized tensors as f32, f16 or bf16; as f16 or bf16 norms and other vectors stay "
      "F32, as llama.cpp needs them");
  arguments.group("Provenance");
  arguments.flag("--no-provenance", options.no_provenance,
                 "Do not write the keys fakequant.recipe, version and source");
  arguments.flag("--sha256", options.hash_everything,
                 "Put the whole model's SHA-256 into fakequant.source, not only its header's");
}

}  // namespace

Command apply_command() {
  return {
      .name = "apply",
      .summary = "Write a model with rounded weights",
      .notes =
          "Without rules: w:ffn_norm=bf16,round=zero, as in the reference experiment's script; with --promote, every\n"
          "quantized tensor is stored wider, with --store every tensor, and nothing else is changed. A split model is\n"
          "named by one of its parts; OUT then gets as many, OUT-00001-of-0000N.gguf and so on.",
      .example = "apply model.gguf -o rounded.gguf --rule w:norms=bf16",
      .add = command_of(add_apply_options, run_apply)};
}

}  // namespace fakequant
