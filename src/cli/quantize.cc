// fakequant quantize: a GGUF whose weights are stored in real types.
#include "weights/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/file_budget.h"
#include "cli/file_plan.h"
#include "cli/file_plan_cost.h"
#include "engine/quantization_mix.h"
#include "error.h"
#include "gguf/output_file.h"
#include "report/numbers.h"
#include "report/plan_file.h"
#include "report/printable_text.h"
#include "report/quantize_report.h"
#include "weights/importance_matrix.h"

namespace fakequant {
namespace {

struct QuantizeCommandOptions : CommonOptions {
  std::string model;
  std::string output;
  std::string plan;
  std::string mix;
  std::string importance;
  FileBudgetOptions budget;  // of a file whose types are planned here
  std::string max_kld, work;
  std::vector<std::string> texts, types, keep, at_least, couples;
  int chunks = 2, ctx_size = 256, refine = 0, context = 0;
  RuleOptions rules;
  bool by_kernels = false;
  bool allow_fake = false;
  bool allow_requantize = false;
  bool no_provenance = false;
  bool dry_run = false;
};

// The plan's rules, then those of the other options.
Recipe rules_of(const QuantizeCommandOptions& options) {
  Recipe recipe;
  if (!options.plan.empty()) recipe = read_plan(options.plan);
  auto own = options.rules;
  const auto exceptions = exceptions_of(std::exchange(own.exceptions, {}));
  for (auto& rule : recipe_of(own)) recipe.push_back(std::move(rule));
  about("--except", [&] { add_exceptions(recipe, exceptions); });
  if (const auto taps = rules_of_kind(recipe, SiteKind::activation); !taps.empty()) {
    throw usage_error(fmt::format("rule '{}' names activations, which no file holds: quantize takes rules of weights",
                                  to_string(taps.front())));
  }
  return recipe;
}

bool chooses_types(const QuantizeCommandOptions& options) {
  return !options.budget.empty() || !options.max_kld.empty();
}

// What --size, --bpw or --max-kld says of the file.
void add_budget(const QuantizeCommandOptions& options, FilePlanRequest& request) {
  request.plan.max_kld = parse_max_kld(options.max_kld);
  const auto budget = file_budget(options.budget, options.model, options.compute.attention);
  if (budget && request.plan.max_kld) {
    throw usage_error("--max-kld is a budget instead of --size or --bpw: give one of them");
  }
  request.plan.file = budget.value_or(FileBudget{.model = options.model});
}

void tell_cost(const FilePlanRequest& request) {
  const auto cost = foretell_file_plan(request);
  if (!cost) return;
  const auto time = cost->seconds < 90 ? fmt::format("{:.0f} seconds", cost->seconds)
                                       : fmt::format("{:.0f} minutes", cost->seconds / 60);
  fmt::print(stderr, "choosing types takes about {} and {} of memory\n", time, bytes_text(cost->bytes));
}

void tell_rows(const EmbeddingRows& embedding) {
  if (embedding.factors.empty()) return;
  const auto less = [](const CostFactor& a, const CostFactor& b) { return a.factor < b.factor; };
  const auto [least, most] = std::minmax_element(embedding.factors.begin(), embedding.factors.end(), less);
  fmt::print(stderr,
             "{}: the measured text uses {} of {} rows; by how often tokens come, all rows lose {:.2f} to {:.2f} times "
             "as much, by which the divergences of its types are multiplied\n",
             printable(embedding.tensor), embedding.measured, embedding.rows, least->factor, most->factor);
}

// The rules of the plan that is made for --size, --bpw or --max-kld. Without those there are none.
Recipe planned_rules(QuantizeCommandOptions& options) {
  if (!chooses_types(options)) {
    if (options.texts.empty() && options.types.empty() && options.keep.empty() && options.at_least.empty() &&
        options.couples.empty() && options.refine == 0) {
      return {};
    }
    throw usage_error(
        "-f, --types, --keep, --at-least, --couple and --refine are for types that are chosen here: add --size, --bpw "
        "or --max-kld");
  }
  settle_compute(options);
  FilePlanRequest request;
  add_budget(options, request);
  if (options.context == 0 && !options.budget.memory.empty()) {
    throw usage_error("--fits-memory depends on the cache: add --context TOKENS");
  }
  if (options.by_kernels && options.refine == 0) throw usage_error("--kernels is about what --refine measures: add it");
  if (options.texts.empty()) throw usage_error("types are chosen by what they lose on a text: add -f TEXT");
  if (!options.mix.empty() || !options.plan.empty() || !options.rules.rules.empty() ||
      !options.rules.recipe_file.empty() || !options.importance.empty() || options.dry_run) {
    throw usage_error(
        "--size, --bpw and --max-kld choose the types and collect an importance matrix: leave out --type, --plan, "
        "--rule, "
        "--recipe, --imatrix and --dry-run");
  }
  prepare_threads(options);
  for (const auto& text : options.keep) request.plan.keep.push_back(parse_kept_format(text));
  for (const auto& text : options.at_least) request.plan.at_least.push_back(parse_least_format(text));
  request.plan.ctx_size = options.context;
  request.plan.couples = parse_couples(options.couples);
  request.refine = options.refine;
  request.by_kernels = options.by_kernels;
  request.model = options.model;
  request.texts = options.texts;
  request.types = options.types;
  request.folder = options.work.empty() ? options.output + ".work" : options.work;
  request.chunks = options.chunks;
  request.ctx_size = options.ctx_size;
  request.compute = options.compute;
  std::unique_ptr<ProgressLine> line;
  std::string step;
  request.progress = [&](const FilePlanProgress& progress) {
    if (progress.step != step) line = std::make_unique<ProgressLine>(options, step = progress.step);
    line->show(progress.done, progress.detail);
  };
  const bool tells = !options.quiet && options.json != "-";
  if (tells) tell_cost(request);
  const auto planned = plan_file(request);
  const auto& result = planned.plan;
  line.reset();
  if (tells) {
    for (const auto& rows : planned.embeddings) tell_rows(rows);
    fmt::print(stderr, "planned: a divergence of {:.3g} nats in {} bytes; what was measured is in {}\n", result.kld,
               result.file_size.value_or(0), request.folder);
  }
  return result.recipe;
}

// The types of --type.
void add_mix(const GgufModel& model, const QuantizeCommandOptions& options, QuantizeSettings& settings) {
  if (options.mix.empty()) return;
  std::vector<WeightImportance> importance;
  std::optional<ImportanceMatrix> matrix;
  if (!options.importance.empty()) {
    matrix.emplace(options.importance);
    for (const auto& [name, values] : matrix->columns()) importance.push_back({name, values});
  }
  const auto mix = quantization_mix(model, options.mix, importance);
  settings.mix = options.mix;
  settings.file_type = mix.file_type;
  for (const auto& [name, wanted] : mix.types) settings.types[name] = {wanted.type, wanted.instead_of};
}

void run_quantize(QuantizeCommandOptions& options) {
  auto recipe = rules_of(options);
  const bool is_planned = chooses_types(options);
  if (recipe.empty() && options.mix.empty() && options.plan.empty() && !is_planned) {
    throw usage_error("nothing says which types the weights get: give --type, --rule, --recipe, --plan or --size");
  }
  const GgufModel model(options.model);
  auto others = options.texts;
  others.insert(others.end(), {options.plan, options.importance});
  auto inputs = inputs_of(model, options.rules, recipe, others);
  std::vector<NamedOutput> outputs;
  for (const auto& path : part_paths(options.output, model.parts().size())) outputs.push_back({"-o", path});
  refuse_overwriting(inputs, outputs);
  if (!options.json.empty()) outputs.push_back({"--json", options.json});
  refuse_overwriting({}, outputs);
  ResultOutput output(options, inputs);
  QuantizeSettings settings;
  settings.importance_file = options.importance;
  settings.allow_fake = options.allow_fake;
  settings.allow_requantize = options.allow_requantize;
  settings.provenance = !options.no_provenance;
  add_mix(model, options, settings);
  if (is_planned && !options.dry_run) const OutputFile found_writable(options.output);  // before the long work
  for (auto& rule : planned_rules(options)) recipe.push_back(std::move(rule));
  if (!recipe.empty() && !is_planned) show_rules(options, model, recipe);
  const auto written = options.dry_run ? Written::no : Written::yes;
  const auto result = [&] {
    if (options.dry_run) return foretell_quantize(model, recipe, settings, options.output);
    ProgressLine progress(options, "quantize");
    return quantize_to_files(model, recipe, settings, options.output, options.compute.threads, progress.callback());
  }();
  output.write(to_text(result, written), to_json(result, written, provenance_of(options)));
}

void add_quantize_options(Arguments& arguments, QuantizeCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file, of F16, BF16 or F32; it is only read");
  arguments.text("-o,--output", "OUT", options.output, "The GGUF file to write", Required::yes);
  arguments.text("--type", "NAME", options.mix,
                 "A mix of types by llama-quantize's name and rules: q4_k_m, iq4_xs, q8_0, f16; rules come after it");
  arguments.text("--plan", "PLAN.json", options.plan, "The rules of a plan, as plan --json writes it");
  arguments.text("--size", "SIZE", options.budget.size,
                 "Choose the types that lose least on a text in a file of this size: 105MB, 4GB");
  arguments.text("--bpw", "BITS", options.budget.bits_per_weight, "The same for so many bits per weight");
  arguments.text("--fits-memory", "SIZE", options.budget.memory,
                 "The same for the memory that llama.cpp takes, with a context of --context tokens");
  arguments.text("--max-active-bpw", "BITS", options.budget.active_bits_per_weight,
                 "The same for the weights that a token reads, alone or beside these; of experts, its share");
  arguments.text("--max-kld", "NATS", options.max_kld, "The same for the smallest file that loses at most so much");
  arguments.text("--imatrix", "FILE", options.importance,
                 "The importance matrix to quantize with, of calibrate --imatrix or llama-imatrix");
  add_rule_options(arguments, options.rules, RuleKinds::weights, DryRun::no);
  arguments.group("Choosing types by --size, --bpw or --max-kld");
  arguments.texts("-f,--file", "FILE", options.texts, "A text to measure types on; repeatable");
  arguments.list("--types", "TYPE", options.types,
                 "Types to choose from, comma-separated [iq3_s,q3_k,iq4_xs,iq4_nl,q4_k,q4_1,q5_k,q5_0,q5_1,q6_k,q8_0]");
  arguments.number("--context", options.context, 1, 1 << 24, "With --fits-memory: tokens that the cache holds");
  arguments.texts("--keep", "SITE=TYPE", options.keep,
                  "Give a site this type: w:ffn_down@0=q6_k; 'none' leaves it as it is; repeatable");
  arguments.texts("--at-least", "SITE=TYPE", options.at_least,
                  "Give a site no fewer bits than this type has: w:ffn_down=q5_k; repeatable");
  arguments.list("--couple", "WEIGHTS", options.couples,
                 "Give one type to the weights of a layer that are fused: qkv, gate-up, experts; comma-separated");
  arguments.number("--refine", options.refine, 0, 1 << 20,
                   "Measure up to N mixes of that size, and take what loses less than the plan");
  arguments.flag(
      "--kernels", options.by_kernels,
      "With --refine: measure mixes in their types, by llama.cpp's own kernels, which round products' inputs");
  arguments.number("--chunks", options.chunks, 2, 1 << 30, "Measure on at most N chunks of each text");
  arguments.number("-c,--ctx-size", options.ctx_size, 4, 1 << 24, "Tokens of a chunk");
  arguments.text("--work", "DIR", options.work,
                 "The folder of what is measured, from which another run goes on [OUT.work]");
  add_compute_options(arguments, options);
  arguments.group("Types");
  arguments.flag("--allow-fake", options.allow_fake,
                 "Round to formats that are no types, and keep these tensors in their own float type");
  arguments.flag("--allow-requantize", options.allow_requantize,
                 "Take tensors that are quantized already, which loses more");
  arguments.flag("--dry-run", options.dry_run, "Only print the types and the size, to the byte");
  arguments.flag("--no-provenance", options.no_provenance,
                 "Do not write the keys fakequant.recipe, version and source");
}

}  // namespace

Command quantize_command() {
  return {
      .name = "quantize",
      .summary = "Write a model with weights in ggml's types",
      .notes =
          "Rules whose formats are types of ggml are stored in them: w:matrices=q4_k. The values are those that eval\n"
          "measures with the same rules. Tensors that nothing names stay as they are. Given the same types and\n"
          "importance matrix, the tensors are those of llama-quantize, byte for byte.",
      .example = "quantize model.gguf -o model-q4.gguf --type q4_k_m",
      .add = command_of(add_quantize_options, run_quantize)};
}

}  // namespace fakequant
