// fakequant plan: the best mix of a study's formats under a budget.
#include "plan/plan.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "cli/command.h"
#include "cli/file_budget.h"
#include "cli/interruption.h"
#include "error.h"
#include "format/format_properties.h"
#include "number_of_text.h"
#include "plan/mix_measurement.h"
#include "plan/verify_plan.h"
#include "recipe/recipe_yaml.h"
#include "report/plan_report.h"
#include "report/tensor_types.h"
#include "study/study_storage.h"

namespace fakequant {
namespace {

struct PlanCommandOptions : CommonOptions {
  PlanRequest request;
  std::vector<std::string> sites, keep, at_least, couples, bits, texts;
  FileBudgetOptions file;
  std::string max_kld, output, tensor_types;
  StorageOptions storage;
  bool verify = false;
  int refine = 0;  // tries
  FailConditions conditions;
  VerifyRequest verification;
};

// "5.0" for each kind, or "w:4.5", "a:8" or "c:5" for one.
BitBudget parse_bits(const std::string& text) {
  BitBudget budget;
  if (text.starts_with("w:")) budget.kind = PlanKind::weights;
  if (text.starts_with("a:")) budget.kind = PlanKind::activations;
  if (text.starts_with("c:")) budget.kind = PlanKind::cache;
  const auto bits = number_of_text<double>(std::string_view(text).substr(budget.kind ? 2 : 0));
  if (!bits || !(*bits > 0) || !(*bits < 1e6)) {
    throw usage_error(fmt::format(
        "--bits {} is invalid: write a number of bits for each value, such as 5.0, w:4.5, a:8 or c:5", text));
  }
  budget.bits = *bits;
  return budget;
}

bool measures(const PlanCommandOptions& options) { return options.verify || options.refine > 0; }

void check_options(const PlanCommandOptions& options) {
  const bool has_file = !options.file.empty();
  const bool has_budget = !options.bits.empty() || !options.max_kld.empty() || has_file;
  if ((!options.output.empty() || !options.tensor_types.empty()) && !has_budget) {
    throw usage_error("-o and --tensor-type-file write the plan under a budget: add --bits, --size or --max-kld");
  }
  if (!options.conditions.empty() && !has_budget) {
    throw usage_error("--fail-if is about the plan under a budget: add --bits, --size or --max-kld");
  }
  const auto& verification = options.verification;
  if (verification.by_kernels && (options.refine == 0 || !has_file)) {
    throw usage_error(
        "--kernels is about the types of a file that is refined: add --refine and a budget such as --size");
  }
  if (!measures(options) && ((!verification.model.empty() && !has_file) || !options.texts.empty())) {
    throw usage_error("--model and -f are used by --verify and --refine only: add one of them");
  }
}

// The texts that --verify and --refine read: those of -f, or those that the study names. Throws an Error when one
// cannot be read.
std::vector<Text> verified_texts(const StudySubject& subject, const PlanCommandOptions& options) {
  if (!measures(options)) return {};
  if (!options.texts.empty()) return text_files(options.texts);
  std::vector<Text> texts;
  for (const auto& text : subject.texts) texts.push_back(text_file(text.name));
  return texts;
}

// The files that the command reads. Throws an Error when the model that is measured cannot be read.
std::vector<std::string> files_of(const StudyDatabase& study, const StudySubject& subject,
                                  const PlanCommandOptions& options) {
  auto inputs = study_files(options.request.study);
  for (const auto* formats : {&options.request.keep, &options.request.at_least}) {
    for (const auto& kept : *formats) {
      if (!kept.format) continue;
      for (auto& file : format_files(kept.format->format)) inputs.push_back(std::move(file));
    }
  }
  if (options.request.file) {
    for (const auto& path : GgufModel(options.request.file->model).paths()) inputs.push_back(path);
  }
  if (!measures(options)) return inputs;
  for (const auto& [id, variant] : study.variants()) {
    for (auto& file : format_files(parse_rule_format(variant.format).format)) inputs.push_back(std::move(file));
  }
  for (const auto& path : GgufModel(verified_model(subject, options.verification)).paths()) inputs.push_back(path);
  for (const auto& text : options.verification.texts) inputs.push_back(text.name);
  return inputs;
}

void run_plan(PlanCommandOptions& options) {
  auto& request = options.request;
  check_options(options);
  options.conditions.parse();
  request.max_kld = parse_max_kld(options.max_kld);
  for (const auto& site : options.sites) request.sites.push_back(parse_site_pattern(site));
  for (const auto& text : options.bits) request.bits.push_back(parse_bits(text));
  for (const auto& text : options.keep) request.keep.push_back(parse_kept_format(text));
  for (const auto& text : options.at_least) request.at_least.push_back(parse_least_format(text));
  request.couples = parse_couples(options.couples);
  if (const auto storage = storage_text(settings_of(options.storage)); !storage.empty()) request.storage = storage;
  const StudyDatabase study(request.study, StudyAccess::read);
  const auto subject = study.subject();
  if (!subject) throw Error(fmt::format("{} is empty: it holds no study", request.study));
  settle_compute(options, parse_arithmetic(subject->arithmetic));
  request.file =
      file_budget(options.file, options.verification.model.empty() ? subject->model : options.verification.model,
                  options.compute.attention);
  options.verification.texts = verified_texts(*subject, options);
  const auto inputs = files_of(study, *subject, options);
  ResultOutput output(options, inputs, {{"-o", options.output}, {"--tensor-type-file", options.tensor_types}});
  std::optional<OutputFile> recipe_file, types_file;
  if (!options.output.empty()) recipe_file.emplace(options.output);
  if (!options.tensor_types.empty()) types_file.emplace(options.tensor_types);
  const auto provenance = measures(options) ? provenance_of(options, options.compute) : provenance_of(options);
  std::optional<Interruption> interruption;
  std::optional<ProgressLine> line;
  if (measures(options)) {
    prepare_threads(options);
    options.verification.compute = options.compute;
    options.verification.is_stopped = Interruption::is_asked_for;
    interruption.emplace();
    line.emplace(options, "plan");
    options.verification.progress = line->callback();
  }
  auto result = about(request.study, [&] {
    return options.refine > 0 ? refine_by_measuring(study, request, options.verification, options.refine)
                              : make_plan(study, request);
  });
  if (result.is_chosen && result.recipe.empty() && !options.output.empty()) {
    throw usage_error(
        "the budget allows everything to stay as it is, so there is no recipe to write: give a smaller one");
  }
  if (types_file) write_text(*types_file, tensor_types(result));
  if (options.verify) verify_plan(study, options.verification, result);
  line.reset();
  if (recipe_file) {
    write_text(*recipe_file, to_yaml(result.recipe));
    recipe_file->commit();
  }
  if (types_file) types_file->commit();
  const auto json = to_json(result, provenance);
  output.write(to_text(result, options.output), json);
  options.conditions.check(json);
}

void add_plan_options(Arguments& arguments, PlanCommandOptions& options) {
  auto& request = options.request;
  arguments.positional("STUDY.db", request.study, "A study that sweep made");
  arguments.texts("--bits", "BITS", options.bits,
                  "The maximum of bits per value, on average: 5.0, or w:4.5 (weights), a:8 (activations) and c:5 (of "
                  "these, attention's cache); repeatable");
  arguments.text("--size", "SIZE", options.file.size,
                 "The maximum size of the file that quantize writes: 105MB; metadata, norms and padding count");
  arguments.text("--bpw", "BITS", options.file.bits_per_weight,
                 "Instead, its maximum of bits per weight, over the data of all tensors");
  arguments.text(
      "--fits-memory", "SIZE", options.file.memory,
      "Instead, its maximum of memory in llama.cpp: with the cache of --ctx-size tokens, and what it computes "
      "with");
  arguments.text("--max-active-bpw", "BITS", options.file.active_bits_per_weight,
                 "The maximum of bits per weight that a token reads; of experts, its share");
  arguments.text("--bytes-per-token", "SIZE", options.file.bytes_per_token,
                 "The maximum of bytes that a token reads: of all weights, and of the cache at --ctx-size");
  arguments.text("--max-kld", "NATS", options.max_kld, "The maximum divergence; the plan has the fewest bits then");
  arguments.number("-c,--ctx-size", request.ctx_size, 1, 1 << 24,
                   "Tokens at which to count the bytes of attention's cache [a chunk of the study]");
  arguments.texts("--site", "SITE", options.sites, "Plan these sites of the study; repeatable [all]");
  arguments.texts("--keep", "SITE=FORMAT", options.keep,
                  "Give a site this format: w:ffn_down@0=bf16; 'none' leaves it as it is; repeatable");
  arguments.texts("--at-least", "SITE=FORMAT", options.at_least,
                  "Give a site no fewer bits than this format has: w:ffn_down=q5_k; repeatable");
  arguments.list("--couple", "WEIGHTS", options.couples,
                 "Give one format to the weights of a layer that are fused: qkv, gate-up, experts; comma-separated");
  arguments.text("-o,--output", "RECIPE.yaml", options.output, "Write the plan as a recipe");
  arguments.text("--tensor-type-file", "FILE", options.tensor_types,
                 "Write the plan's weights, in ggml's types, for the option of this name of llama-quantize");
  arguments.number("--no-loss", request.negligible_kld, 0.0, 1.0, "Count divergences up to this as no loss, nats");
  arguments.flag("--verify", options.verify,
                 "Measure the plan and single formats; without a budget, the mixes of the table");
  arguments.number("--refine", options.refine, 0, 1 << 20,
                   "Measure up to N mixes that the budget allows, and take what loses less than the plan");
  arguments.flag(
      "--kernels", options.verification.by_kernels,
      "With --refine: measure mixes in their types, by llama.cpp's own kernels, which round products' inputs");
  arguments.text("-m,--model", "MODEL", options.verification.model,
                 "Where the model is measured, or a file of it is planned: where the model is [the study's path]");
  arguments.texts("-f,--file", "FILE", options.texts,
                  "With --verify and --refine: where the texts are, in their order [the study's paths]");
  options.conditions.add_option(arguments,
                                {"chosen.kld", "chosen.bits", "chosen.weight_bits", "chosen.activation_bits",
                                 "chosen.cache_bits", "chosen.cache_bytes", "refine.kld", "verify.measured_kld"},
                                "chosen.kld>0.01");
  add_storage_options(arguments, options.storage);
  add_compute_options(arguments, options);
}

}  // namespace

Command plan_command() {
  return {
      .name = "plan",
      .summary = "The best mix of a study's formats under a budget",
      .notes =
          "Each site and layer of the study gets one of the formats in which it was measured, or stays as it is, such\n"
          "that the sum of the divergences is minimal. Weights, activations and cache have separate budgets.",
      .example = "plan study.db --bits 5.0 --keep a:ffn_input@0=int8 -o recipe.yaml --verify",
      .add = command_of(add_plan_options, run_plan)};
}

}  // namespace fakequant
