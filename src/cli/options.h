// Options that several commands share, and the values that they stand for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "gguf/output_file.h"
#include "measure/text_overlap.h"
#include "recipe/recipe_settings.h"
#include "recipe/rule.h"
#include "report/condition.h"
#include "report/json_file.h"
#include "weights/apply.h"

namespace fakequant {

// What every command has.
struct CommonOptions {
  std::string command_line;  // as typed, for reports
  std::string json;          // a path, "-" for stdout, empty for none
  ComputeOptions compute;    // settle_compute() completes it
  std::string arithmetic;    // its name; empty: the command's own, or it computes nothing
  bool no_repack = false;
  std::string weight_memory;    // a size; empty: what suits the arithmetic
  std::string flash_attention;  // the word for it; empty: auto
  bool quiet = false;
};

// --json, --threads and -q. The default of --threads is the number of processors that the program may use.
void add_common_options(Arguments& arguments, CommonOptions& options);

// --rule, --recipe, --except and the reference experiment's two flags.
struct RuleOptions {
  std::vector<std::string> rules;
  std::vector<std::string> exceptions;
  std::string recipe_file;
  std::string ffn_norm_format;
  int layer = kNoLayer;
  bool dry_run = false;  // only print which sites the rules name

  static constexpr int kNoLayer = -2;  // --fake-quant-layer was not given
};

enum class RuleKinds { weights, all };
enum class DryRun { no, offered };

// RuleKinds::weights leaves out the options for activations.
void add_rule_options(Arguments& arguments, RuleOptions& options, RuleKinds kinds = RuleKinds::all,
                      DryRun dry_run = DryRun::offered);

// How a model is computed: --arithmetic, --no-repack, --weight-memory, --cache-type-k, --cache-type-v, --flash-attn,
// --rpc, --device,
// --gpu-layers. `arithmetic`: the command's own, for the help.
void add_compute_options(Arguments& arguments, CommonOptions& options, Arithmetic arithmetic = Arithmetic::f32);

// Puts into options.compute what the options for it mean. Where no arithmetic is named it is `otherwise`, or native for
// what only that computes: layers on devices, quantized values in the cache. Call it before the work begins. Throws a
// usage error for a name that is invalid.
void settle_compute(CommonOptions& options, Arithmetic otherwise = Arithmetic::f32);

// --except, of commands that have no other option for rules.
void add_except_option(Arguments& arguments, std::vector<std::string>& exceptions);

// The rules in order: the file's, then --rule's, then the flags'; `otherwise` where there are none. The sites of
// --except are left out of each. Throws a usage error.
Recipe recipe_of(const RuleOptions& options, const Recipe& otherwise = {});

// What the file of --recipe says beside its rules. Throws as load_recipe does.
RecipeSettings recipe_settings_of(const RuleOptions& options);

// The sites of --except. Throws a usage error.
std::vector<SitePattern> exceptions_of(const std::vector<std::string>& texts);

// --promote and --requantize: how quantized tensors that rules name are stored.
struct StorageOptions {
  std::string promote;
  bool requantize = false;
};

void add_storage_options(Arguments& arguments, StorageOptions& options);

// Throws a usage error when both are given, or --promote names no type.
ApplySettings settings_of(const StorageOptions& options);

// The same for weights that are computed with, as storage_to_compute_with() has it.
ApplySettings settings_of(const StorageOptions& options, const ComputeOptions& compute);

// A variant by its name and rules.
struct NamedRecipe {
  std::string name;
  Recipe recipe;
  std::string file = {};         // of its recipe; empty where the rules come from other options
  RecipeSettings settings = {};  // that the file has
};

// Puts into the options what the recipes say of the arithmetic, where the options say nothing. Throws a usage error
// when two recipes want different ones. Call it before settle_compute().
void settle_by_recipes(CommonOptions& options, const std::vector<NamedRecipe>& variants);

// The same of the file of --recipe alone. Returns what it says beside its rules.
RecipeSettings settle_by_recipe(CommonOptions& options, const RuleOptions& rules);

// Says on stderr what each weight rule takes, in a line. Not with -q, and not with --json -. `variant`: named in each
// line; empty for none. Throws as match_sites does.
void show_rules(const CommonOptions& options, const GgufModel& model, const Recipe& recipe,
                const std::string& variant = {});

// The formats of rules, in their order.
std::vector<Format> formats_of(const Recipe& rules);

// Says on stderr in a line, but with -q not, where a text is evaluated that a file was calibrated on which the formats
// name. Returns the overlaps for the command's JSON. Throws as find_overlaps does.
Json show_overlaps(const CommonOptions& options, const std::vector<Format>& formats,
                   const std::vector<EvaluatedText>& texts);

// --variant: variants beside the one that the rules define.
void add_variant_options(Arguments& arguments, std::vector<std::string>& variants);

// The variant that the rules define, called "variant", if there are rules, and then those of --variant. Throws a usage
// error for text that is not NAME=RECIPE.yaml, and when two variants have the same name.
std::vector<NamedRecipe> variants_of(const RuleOptions& rules, const std::vector<std::string>& variants);

// All rules of all variants.
Recipe all_rules(const std::vector<NamedRecipe>& variants);

// -p and --prompt-file.
struct PromptOptions {
  std::vector<std::string> given;
  std::string file;                        // one prompt on each line; "-": standard input
  bool escape = false, no_escape = false;  // without either, as with the first
  std::vector<std::string> whole;          // files, each a prompt

  std::string path() const { return file == "-" ? "/dev/stdin" : file; }  // of the prompt file; empty for none
};

void add_prompt_options(Arguments& arguments, PromptOptions& options, const std::string& default_prompts = "");

// The prompts of -p, then those of the file or standard input: one on each line, without blank lines. In both "\n",
// "\t" and "\\" are escapes, unless --no-escape was given. Then the files that are a prompt each, without the newline
// at their end. Throws a usage error for --escape and --no-escape, and an Error when a file cannot be read or holds no
// prompts.
std::vector<std::string> prompts_of(const PromptOptions& options);

// Makes a folder for results, where there is none. Throws an Error where that cannot be done.
void make_folder(const std::string& folder);

// A file that a command writes, and the option that names it.
struct NamedOutput {
  std::string option, path;
};

// Throws a usage error when an output is one of the inputs, or two outputs are one file; also through links, and where
// a file is mounted twice. Empty paths are none.
void refuse_overwriting(const std::vector<std::string>& inputs, const std::vector<NamedOutput>& outputs);

// Writes a command's result: the text to stdout and the JSON to the file of --json; with "--json -" only the JSON, to
// stdout. Construct it before the work begins, so that an output that cannot be written is reported at once.
class ResultOutput {
 public:
  // `inputs`: the files that the command reads. `others`: the files that it writes itself. Throws a usage error when
  // one of the outputs, that of --json among them, is an input or another output, and an Error when the JSON file
  // cannot be created.
  ResultOutput(const CommonOptions& options, const std::vector<std::string>& inputs,
               const std::vector<NamedOutput>& others = {});

  // Throws an Error, which says where the result is kept, when it cannot be written.
  void write(const std::string& text, const Json& json);

 private:
  bool only_json_;
  std::optional<OutputFile> file_;
};

// The files that rules need: the recipe, and the importance matrices and ranges that rules name.
std::vector<std::string> rule_files(const RuleOptions& options, const Recipe& recipe);

// The files that a command reads: the model's parts, those of the rules, and others.
std::vector<std::string> inputs_of(const GgufModel& model, const RuleOptions& options, const Recipe& recipe,
                                   const std::vector<std::string>& others = {});

// --fail-if: conditions on fields of the command's JSON.
class FailConditions {
 public:
  // `example`: a condition that says something of this command.
  void add_option(Arguments& arguments, std::vector<std::string> fields, const std::string& example);

  // Call it before the work begins. Throws a usage error for what is no condition, and for one about an entry that is
  // not among `names`; where there are none, any name will do.
  void parse(const std::vector<std::string>& names = {});

  bool empty() const { return texts_.empty(); }

  // Throws an Error of Failure::condition when a condition holds.
  void check(const Json& result) const;

 private:
  std::vector<std::string> fields_, texts_;
  std::vector<Condition> conditions_;
};

// Called before a model runs. Where other programs keep so many processors busy that its threads cannot all run at
// once, they wait asleep, and a line on stderr, if that is a terminal, says so.
void prepare_threads(const CommonOptions& options);

// Of a command that runs no model.
Provenance provenance_of(const CommonOptions& options);

// Of a command that runs a model so. Opens its devices, so call it before the work begins; throws as open_devices does.
Provenance provenance_of(const CommonOptions& options, const ComputeOptions& compute);

}  // namespace fakequant
