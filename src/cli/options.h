// Options that several commands share, and how they become values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "gguf/output_file.h"
#include "progress.h"
#include "recipe/rule.h"
#include "report/condition.h"
#include "report/json_file.h"
#include "weights/apply.h"

namespace fakequant {

// What every command has.
struct CommonOptions {
  std::string command_line;  // as typed, for reports
  std::string json;          // a path, "-" for stdout, empty for none
  ComputeOptions compute;    // devices only of commands with add_device_options
  bool quiet = false;
};

// --json, --threads and -q. The default of --threads is the number of processors.
void add_common_options(Arguments& arguments, CommonOptions& options);

// --rule, --recipe and the reference experiment's two flags.
struct RuleOptions {
  std::vector<std::string> rules;
  std::string recipe_file;
  std::string ffn_norm_format;
  int layer = kNoLayer;
  bool dry_run = false;  // only says which sites the rules name

  static constexpr int kNoLayer = -2;  // --fake-quant-layer was not given
};

enum class RuleKinds { weights, all };
enum class DryRun { no, offered };

// The flags for activations only where a command knows activations.
void add_rule_options(Arguments& arguments, RuleOptions& options, RuleKinds kinds = RuleKinds::all,
                      DryRun dry_run = DryRun::offered);

// --rpc, --device and --gpu-layers.
void add_device_options(Arguments& arguments, DeviceOptions& options);

// The rules in order: the file's, then --rule's, then the flags'. Throws a usage error.
Recipe recipe_of(const RuleOptions& options);

// --promote and --requantize: what becomes of quantized tensors that rules name.
struct StorageOptions {
  std::string promote;
  bool requantize = false;
};

void add_storage_options(Arguments& arguments, StorageOptions& options);

// Throws a usage error when both are given, or --promote names no type.
ApplySettings settings_of(const StorageOptions& options);

// A variant by its name and rules.
struct NamedRecipe {
  std::string name;
  Recipe recipe;
};

// --variant, repeated: variants beside the one that the rules make.
void add_variant_options(Arguments& arguments, std::vector<std::string>& variants);

// The rules' variant, called "variant", where there are rules, and then those of --variant. Throws a usage error for
// one that is not NAME=RECIPE.yaml, or when two have one name.
std::vector<NamedRecipe> variants_of(const RuleOptions& rules, const std::vector<std::string>& variants);

// All rules of all variants, for looking at the files that they name.
Recipe all_rules(const std::vector<NamedRecipe>& variants);

// -p and --prompt-file.
struct PromptOptions {
  std::vector<std::string> given;
  std::string file;  // "-": standard input

  std::string path() const { return file == "-" ? std::string() : file; }  // of the file that is read, if one is
};

void add_prompt_options(Arguments& arguments, PromptOptions& options, const std::string& default_prompts = "");

// The prompts that are given, and then those of the file or standard input, one a line, blank lines left out; "\n",
// "\t" and "\\" are written out in both. Throws an Error when the file cannot be read or holds no prompts.
std::vector<std::string> prompts_of(const PromptOptions& options);

// Where a command's result goes: the text to stdout and the JSON where it was asked for; with --json - only the JSON,
// to stdout. Made before the work begins, so that a file that cannot be written is known before the work is done.
class ResultOutput {
 public:
  // Throws a usage error when the JSON would replace one of the files that the command reads, an Error when it cannot
  // be written.
  ResultOutput(const CommonOptions& options, const std::vector<std::string>& inputs);

  void write(const std::string& text, const Json& json);

 private:
  bool only_json_;
  std::optional<OutputFile> file_;
};

// The files that rules are read from: the recipe, and the importance matrices and ranges that they name.
std::vector<std::string> rule_files(const RuleOptions& options, const Recipe& recipe);

// The files that a command reads: the model's parts, its rules', and others.
std::vector<std::string> inputs_of(const GgufModel& model, const RuleOptions& options, const Recipe& recipe,
                                   const std::vector<std::string>& others = {});

// --fail-if, on the fields of the command's JSON that are named. check() throws an Error when a condition holds.
class FailConditions {
 public:
  void add_option(Arguments& arguments, std::vector<std::string> fields);
  void parse();  // before the work; throws a usage error
  void check(const Json& result) const;

 private:
  std::vector<std::string> fields_, texts_;
  std::vector<Condition> conditions_;
};

// Throws a usage error when an output is one of the inputs.
void refuse_overwriting(const std::vector<std::string>& inputs, const std::string& output);

// Of a command that runs no model.
Provenance provenance_of(const CommonOptions& options);

// Of a command that runs a model on these devices. Opens them, so call it before the work begins; throws as
// open_devices does.
Provenance provenance_of(const CommonOptions& options, const DeviceOptions& devices);

// "name: 45 %, 12 s left" on stderr, when that is a terminal and the work takes more than a second.
class ProgressLine {
 public:
  ProgressLine(const CommonOptions& options, std::string what);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  // `now_known` is what there is to say of it so far.
  void show(double done, const std::string& now_known = {});
  Progress callback() {
    return [this](double done) { show(done); };
  }

 private:
  std::string what_;
  bool is_wanted_;
  bool is_shown_ = false;
  double begin_;
  double last_shown_ = 0;
};

}  // namespace fakequant
