#include "cli/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "cli/byte_size.h"
#include "engine/processors.h"
#include "error.h"
#include "format/format_properties.h"
#include "gguf/tensor_type.h"
#include "measure/prepared_variants.h"
#include "recipe/recipe_yaml.h"
#include "report/numbers.h"
#include "report/overlap_report.h"
#include "report/printable_text.h"
#include "report/rule_lines.h"
#include "text_file.h"
#include "version.h"

namespace fakequant {
namespace {

// From the program's beginning on.
const ProcessorWatch& processor_watch() {
  static const ProcessorWatch watch;
  return watch;
}

std::string unescape(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'n':
        result += '\n';
        break;
      case 't':
        result += '\t';
        break;
      case '\\':
        result += '\\';
        break;
      default:
        result += '\\';
        result += text[i];
    }
  }
  return result;
}

}  // namespace

void add_common_options(Arguments& arguments, CommonOptions& options) {
  processor_watch();
  static const int processors = available_processors();  // for all commands
  options.compute.threads = processors;
  arguments.group("Common options");
  arguments.text("--json", "FILE", options.json, "Write the whole result as JSON to FILE ('-': to stdout)");
  arguments.number("-t,--threads", options.compute.threads, 1, 1024, "Threads to compute with");
  arguments.flag("-q,--quiet", options.quiet, "No progress on stderr");
}

void add_rule_options(Arguments& arguments, RuleOptions& options, RuleKinds kinds, DryRun dry_run) {
  arguments.group("Rules");
  arguments.texts("--rule", "RULE", options.rules,
                  kinds == RuleKinds::weights
                      ? "Round weights: w:ffn_norm@0-4=bf16,round=zero; repeatable, the last that matches wins"
                      : "Round a site: w:ffn_norm@0-4=bf16,round=zero (weights) or\n"
                        "a:ffn_norm=bf16 (activations); repeatable, the last that matches wins");
  arguments.text("--recipe", "FILE", options.recipe_file,
                 "Rules from a YAML file, before those of --rule; @NAME: one of fakequant recipes");
  add_except_option(arguments, options.exceptions);
  if (dry_run == DryRun::offered) {
    arguments.flag("--dry-run", options.dry_run, "Only print which site gets which format");
  }
  if (kinds == RuleKinds::weights) return;
  arguments.text("--fake-quant-ffn-norm", "TYPE", options.ffn_norm_format, "Short for --rule a:ffn_norm=TYPE");
  arguments.number("--fake-quant-layer", options.layer, -1, 1'000'000,
                   "The layer of --fake-quant-ffn-norm; -1, as without it: all");
}

void add_except_option(Arguments& arguments, std::vector<std::string>& exceptions) {
  arguments.texts("--except", "SITE", exceptions, "Leave a site out of all rules: w:output, w:ffn_down@0; repeatable");
}

namespace {

void add_attention_options(Arguments& arguments, CommonOptions& options, const std::string& own) {
  auto& types = options.compute.attention;
  arguments.group("Attention and its cache");
  arguments.text("--cache-type-k", "TYPE", types.k,
                 fmt::format("Type of the keys, also -ctk: f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1 [{}]", own));
  arguments.text("--cache-type-v", "TYPE", types.v,
                 fmt::format("Type of the values, also -ctv; quantized ones need flash attention [{}]", own));
  arguments.text("--flash-attn", "WORD", options.flash_attention,
                 "Compute attention in llama.cpp's fused kernel, which rounds: on off auto, also -fa [auto: f32\n"
                 "arithmetic takes it for quantized values only]");
}

void add_device_options(Arguments& arguments, DeviceOptions& options) {
  arguments.group("Devices");
  arguments.list("--rpc", "HOST:PORT", options.rpc_servers, "Compute on these RPC servers; comma-separated");
  arguments.list("--device", "NAME", options.devices,
                 "Compute on these devices, comma-separated; 'none': on the CPU [the RPC servers']");
  arguments.number_or_all("--gpu-layers,--n-gpu-layers", options.gpu_layers, 1'000'000,
                          "Put the last N layers on the devices, or 'all' [all, where there are devices]");
}

}  // namespace

void add_compute_options(Arguments& arguments, CommonOptions& options, Arithmetic arithmetic) {
  arguments.group("Arithmetic");
  arguments.text("--arithmetic", "NAME", options.arithmetic,
                 fmt::format("f32: products in float32, nothing is rounded that no rule names;\n"
                             "native: llama.cpp's own kernels, which round products' inputs [{}]",
                             to_string(arithmetic)));
  arguments.flag("--no-repack", options.no_repack,
                 "Native: weights lie as in the file, not in layouts for this processor's kernels; also -nr");
  arguments.text("--weight-memory", "SIZE", options.weight_memory,
                 "Keep rounded weights of this size in memory, as 2GB, and round the others whenever they are\n"
                 "read [native: a quarter of what is free; f32: 0, but for formats that round slowly]");
  const auto own = arithmetic == Arithmetic::f32 ? "f32; native: f16" : "f16; f32 arithmetic: f32";
  add_attention_options(arguments, options, own);
  add_device_options(arguments, options.compute.devices);
}

void settle_compute(CommonOptions& options, Arithmetic otherwise) {
  auto& compute = options.compute;
  compute.devices.repack = !options.no_repack;
  if (!options.weight_memory.empty()) {
    compute.weight_memory = static_cast<std::int64_t>(parse_size("--weight-memory", options.weight_memory, 0));
  }
  if (!options.arithmetic.empty()) {
    compute.arithmetic = about("--arithmetic", [&] { return parse_arithmetic(options.arithmetic); });
  } else {
    compute.arithmetic = suitable_arithmetic(compute, otherwise);
  }
  if (!options.flash_attention.empty()) {
    compute.attention.flash = about("--flash-attn", [&] { return parse_flash_attention(options.flash_attention); });
  }
  check_attention(compute.attention, compute.arithmetic);
}

namespace {

// Without --except.
RecipeFile given_rules(const RuleOptions& options) {
  RecipeFile recipe;
  if (!options.recipe_file.empty()) recipe = load_recipe(options.recipe_file);
  for (const auto& rule : options.rules) recipe.rules.push_back(parse_rule(rule));
  if (!options.ffn_norm_format.empty()) {
    const auto layers = options.layer < 0 ? std::string() : fmt::format("@{}", options.layer);
    recipe.rules.push_back(parse_rule(fmt::format("a:ffn_norm{}={}", layers, options.ffn_norm_format)));
  } else if (options.layer != RuleOptions::kNoLayer) {
    throw usage_error("--fake-quant-layer has no effect alone: add --fake-quant-ffn-norm TYPE");
  }
  return recipe;
}

}  // namespace

std::vector<SitePattern> exceptions_of(const std::vector<std::string>& texts) {
  std::vector<SitePattern> exceptions;
  for (const auto& text : texts) exceptions.push_back(about("--except", [&] { return parse_site_pattern(text); }));
  return exceptions;
}

Recipe recipe_of(const RuleOptions& options, const Recipe& otherwise) {
  auto recipe = given_rules(options).rules;
  if (recipe.empty()) recipe = otherwise;
  about("--except", [&] { add_exceptions(recipe, exceptions_of(options.exceptions)); });
  return recipe;
}

RecipeSettings recipe_settings_of(const RuleOptions& options) {
  return options.recipe_file.empty() ? RecipeSettings{} : load_recipe(options.recipe_file).settings;
}

void show_rules(const CommonOptions& options, const GgufModel& model, const Recipe& recipe,
                const std::string& variant) {
  if (options.quiet || options.json == "-") return;
  std::fputs(rule_lines(weights_of_rules(model, recipe), variant).c_str(), stderr);  // the work goes on without stderr
}

std::vector<Format> formats_of(const Recipe& rules) {
  std::vector<Format> formats;
  for (const auto& rule : rules) formats.push_back(rule.format);
  return formats;
}

Json show_overlaps(const CommonOptions& options, const std::vector<Format>& formats,
                   const std::vector<EvaluatedText>& texts) {
  const auto overlaps = find_overlaps(formats, texts);
  const auto line = overlap_line(overlaps);
  if (!line.empty() && !options.quiet) std::fputs(("fakequant: " + line).c_str(), stderr);  // as in show_rules()
  return to_json(overlaps);
}

void add_variant_options(Arguments& arguments, std::vector<std::string>& variants) {
  arguments.group("Rules");
  arguments.texts("--variant", "NAME=RECIPE", variants, "A further variant, with its own recipe; repeatable");
}

std::vector<NamedRecipe> variants_of(const RuleOptions& rules, const std::vector<std::string>& variants) {
  std::vector<NamedRecipe> all;
  if (auto given = given_rules(rules); !given.rules.empty() || !attention_text(given.settings).empty()) {
    all.push_back({"variant", std::move(given.rules), {}, std::move(given.settings)});
  }
  for (const auto& text : variants) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
      throw usage_error(fmt::format("--variant {} is invalid: write NAME=RECIPE.yaml", text));
    }
    const auto name = text.substr(0, equals);
    if (std::any_of(all.begin(), all.end(), [&](const NamedRecipe& other) { return other.name == name; })) {
      throw usage_error(fmt::format("two variants are called '{}': give each a different name", name));
    }
    const auto file = text.substr(equals + 1);
    auto recipe = load_recipe(file);
    all.push_back({name, std::move(recipe.rules), file, std::move(recipe.settings)});
  }
  for (const auto& exception : exceptions_of(rules.exceptions)) {
    auto known = all_rules(all);
    about("--except", [&] { add_exceptions(known, {exception}); });  // one of the variants has such rules
    for (auto& variant : all) {
      if (!rules_of_kind(variant.recipe, exception.kind).empty()) add_exceptions(variant.recipe, {exception});
    }
  }
  return all;
}

void settle_by_recipes(CommonOptions& options, const std::vector<NamedRecipe>& variants) {
  if (!options.arithmetic.empty()) return;
  for (const auto& variant : variants) {
    const auto& wanted = variant.settings.arithmetic;
    if (wanted.empty() || wanted == options.arithmetic) continue;
    if (!options.arithmetic.empty()) {
      throw usage_error(fmt::format("one recipe wants {} arithmetic and another {}: choose with --arithmetic",
                                    options.arithmetic, wanted));
    }
    about(fmt::format("the recipe of {}", variant.name), [&] { parse_arithmetic(wanted); });
    options.arithmetic = wanted;
  }
}

RecipeSettings settle_by_recipe(CommonOptions& options, const RuleOptions& rules) {
  auto settings = recipe_settings_of(rules);
  settle_by_recipes(options, {{"variant", {}, {}, settings}});
  return settings;
}

Recipe all_rules(const std::vector<NamedRecipe>& variants) {
  Recipe all;
  for (const auto& variant : variants) all.insert(all.end(), variant.recipe.begin(), variant.recipe.end());
  return all;
}

void add_storage_options(Arguments& arguments, StorageOptions& options) {
  arguments.group("Storage of rounded weights");
  arguments.text("--promote", "TYPE", options.promote,
                 "Store quantized tensors that a rule names wider, as f32, f16 or bf16");
  arguments.flag("--requantize", options.requantize, "Round them into their own type again, by ggml's code");
}

ApplySettings settings_of(const StorageOptions& options) {
  if (!options.promote.empty() && options.requantize) {
    throw usage_error("--promote and --requantize store the same tensors in two ways: take one");
  }
  ApplySettings settings;
  if (!options.promote.empty()) settings.promote_to = plain_float_type(options.promote);
  settings.requantize = options.requantize;
  return settings;
}

ApplySettings settings_of(const StorageOptions& options, const ComputeOptions& compute) {
  return storage_to_compute_with(settings_of(options), compute);
}

void add_prompt_options(Arguments& arguments, PromptOptions& options, const std::string& default_prompts) {
  arguments.texts("-p,--prompt", "PROMPT", options.given, "A prompt; repeatable; \\n is a new line" + default_prompts);
  arguments.text("--prompt-file", "FILE", options.file, "Prompts, one on each line; '-': from standard input");
  arguments.flag("-e,--escape", options.escape, "Take \\n, \\t and \\\\ in prompts as escapes; the default");
  arguments.flag("--no-escape", options.no_escape, "Take prompts as they are, backslashes too");
}

std::vector<std::string> prompts_of(const PromptOptions& options) {
  if (options.escape && options.no_escape) throw usage_error("--escape and --no-escape exclude each other: take one");
  const auto read = [&](const std::string& text) { return options.no_escape ? text : unescape(text); };
  std::vector<std::string> prompts;
  for (const auto& prompt : options.given) prompts.push_back(read(prompt));
  for (const auto& file : options.whole) {
    prompts.push_back(read_text(file));
    if (prompts.back().ends_with('\n')) prompts.back().pop_back();
  }
  if (options.file.empty()) return prompts;
  const auto name = options.file == "-" ? std::string("standard input") : options.file;
  std::istringstream lines(options.file == "-" ? read_text("/dev/stdin", name) : read_text(options.file));
  const auto given = prompts.size();
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();  // Windows ends lines with \r\n
    if (line.find_first_not_of(" \t") != std::string::npos) prompts.push_back(read(line));
  }
  if (prompts.size() == given) throw Error(fmt::format("{} holds no prompts: write one on each line", name));
  return prompts;
}

void make_folder(const std::string& folder) {
  std::error_code fault;
  std::filesystem::create_directories(folder, fault);
  if (fault || !std::filesystem::is_directory(folder)) {
    throw Error(fmt::format("cannot make the folder {}: {}", folder, fault ? fault.message() : "it is a file"));
  }
}

std::vector<std::string> rule_files(const RuleOptions& options, const Recipe& recipe) {
  std::vector<std::string> files = {options.recipe_file};
  for (const auto& rule : recipe) {
    for (auto& file : format_files(rule.format)) files.push_back(std::move(file));
  }
  return files;
}

std::vector<std::string> inputs_of(const GgufModel& model, const RuleOptions& options, const Recipe& recipe,
                                   const std::vector<std::string>& others) {
  auto inputs = model.paths();
  for (const auto& more : {rule_files(options, recipe), others}) inputs.insert(inputs.end(), more.begin(), more.end());
  return inputs;
}

void FailConditions::add_option(Arguments& arguments, std::vector<std::string> fields, const std::string& example) {
  fields_ = std::move(fields);
  arguments.group("Options");
  arguments.texts("--fail-if", "CONDITION", texts_,
                  fmt::format("Exit with code 3 when a condition such as '{}' holds, of any variant or of one: "
                              "'NAME: {}'; repeatable",
                              example, example));
}

void FailConditions::parse(const std::vector<std::string>& names) {
  for (const auto& text : texts_) {
    auto condition = about("--fail-if", [&] { return parse_condition(text, fields_); });
    const bool is_known = condition.entry.empty() || names.empty() ||
                          std::find(names.begin(), names.end(), condition.entry) != names.end();
    if (!is_known) {
      throw usage_error(fmt::format("--fail-if '{}': nothing is called {}: take one of {}", text, condition.entry,
                                    fmt::join(names, ", ")));
    }
    conditions_.push_back(std::move(condition));
  }
}

void FailConditions::check(const Json& result) const {
  for (const auto& condition : conditions_) {
    if (const auto found = find_condition(condition, result)) throw Error("--fail-if " + *found, Failure::condition);
  }
}

void refuse_overwriting(const std::vector<std::string>& inputs, const std::vector<NamedOutput>& outputs) {
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    // A terminal may be read and written, and /dev/null may be named twice.
    std::error_code ignored;
    if (std::filesystem::is_character_file(output->path, ignored)) continue;
    for (const auto& input : inputs) {
      if (!is_same_file(input, output->path)) continue;
      throw usage_error(fmt::format("the output {} is also an input{}, and inputs are only read: name another file",
                                    output->path, input == output->path ? "" : ", " + input));
    }
    for (auto other = outputs.begin(); other != output; ++other) {
      if (!is_same_file(other->path, output->path)) continue;
      throw usage_error(
          fmt::format("{} and {} are both {}: name two files", other->option, output->option, output->path));
    }
  }
}

ResultOutput::ResultOutput(const CommonOptions& options, const std::vector<std::string>& inputs,
                           const std::vector<NamedOutput>& others)
    : only_json_(options.json == "-") {
  auto outputs = others;
  const bool has_file = !options.json.empty() && !only_json_;
  if (has_file) outputs.push_back({"--json", options.json});
  refuse_overwriting(inputs, outputs);
  if (!has_file) return;
  constexpr std::uint64_t kUsualSize = 1 << 16;
  file_.emplace(options.json);
  file_->reserve(kUsualSize);  // finds a full disk now
}

void ResultOutput::write(const std::string& text, const Json& json) {
  if (file_) {
    write_text(*file_, to_text(json));
    file_->commit();
  }
  const auto printed = only_json_ ? to_text(json) : printable_lines(text);
  const bool is_written = std::fwrite(printed.data(), 1, printed.size(), stdout) == printed.size();
  if (std::fflush(stdout) == 0 && is_written) return;
  const auto why = fmt::format("cannot write to stdout: {}", errno_text());
  const auto kept = keep_text(printed, only_json_ ? "stdout.json" : "stdout.txt");
  throw Error(kept ? fmt::format("{}; the result is kept in {}", why, *kept) : why);
}

void prepare_threads(const CommonOptions& options) {
  const int threads = options.compute.threads;
  if (threads < 2) return;
  const auto busy = processor_watch().busy_with_others();
  const int processors = processor_watch().processors();
  constexpr double kClear = 0.5;  // processors: less may pass
  if (!busy || *busy + threads < processors + kClear) return;
  wait_asleep();
  if (*busy < kClear || options.quiet || isatty(STDERR_FILENO) == 0) return;
  const auto line = fmt::format(
      "fakequant: other programs keep {:.1f} of {} busy, which slows {} threads down: fewer may be faster\n", *busy,
      plural(processors, "processor"), threads);
  std::fputs(line.c_str(), stderr);  // the work goes on without a terminal
}

Provenance provenance_of(const CommonOptions& options) { return {options.command_line, version(), {}, {}}; }

Provenance provenance_of(const CommonOptions& options, const ComputeOptions& compute) {
  return {options.command_line, version(), backend_names(compute.devices), to_string(compute.arithmetic)};
}

}  // namespace fakequant
