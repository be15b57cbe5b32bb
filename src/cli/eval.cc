// fakequant eval: perplexity and KL divergence of a variant against the baseline.
#include "measure/eval.h"

#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <filesystem>
#include <set>

#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/measurement.h"
#include "error.h"
#include "measure/eval_forecast.h"
#include "report/apply_report.h"
#include "report/eval_report.h"
#include "report/score_figures.h"
#include "weights/weight_bits.h"
#include "weights/yardsticks.h"

namespace fakequant {
namespace {

struct EvalCommandOptions : MeasurementOptions {
  std::vector<std::string> texts;
  std::vector<std::string> others;  // models that are measured as they are
  EvalOptions eval;
  bool details = false;
  bool yardstick = false;
};

// The name of the variant that a model is: that of its file.
std::string name_of_model(const std::string& path) { return std::filesystem::path(path).stem().string(); }

void refuse_equal_names(const std::vector<NamedRecipe>& variants, const std::vector<std::string>& models) {
  std::set<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!names.insert(name).second) {
      throw usage_error(fmt::format("two variants are called '{}': rename the file or the variant", name));
    }
  };
  for (const auto& variant : variants) add(variant.name);
  for (const auto& model : models) add(name_of_model(model));
}

std::string running_perplexity(const EvalProgress& progress, const std::vector<Variant>& variants) {
  auto text = fmt::format("[{}] baseline {:.4f}", progress.chunks, progress.baseline_ppl);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    text += fmt::format(", {} {:.4f}", variants[v].name, progress.variants[v]);
  }
  return text;
}

// Of an evaluation of long contexts, before it begins.
void say_forecast(const EvalCommandOptions& options, const EvalForecast& forecast) {
  if (forecast.ctx_size < kLongContext || options.quiet || options.json == "-") return;
  fmt::print(stderr, "{}\n", to_text(forecast));
}

std::optional<Report> evaluate_and_report(const EvalCommandOptions& options, const std::vector<Text>& texts,
                                          const std::set<std::string>& yardstick_names, const Measurement& measurement,
                                          ProgressLine& line) {
  auto eval = options.eval;
  eval.compute = options.compute;
  eval.is_stopped = Interruption::is_asked_for;
  eval.progress = [&](const EvalProgress& progress) {
    line.show(progress.done, running_perplexity(progress, measurement.prepared.variants()));
  };
  eval.foretold = [&](const EvalForecast& forecast) { say_forecast(options, forecast); };
  const Interruption interruption;
  auto result = evaluate(measurement.model.paths(), measurement.prepared.variants(), texts, eval);
  if (result.chunks == 0) return std::nullopt;
  for (auto& variant : result.variants) variant.is_yardstick = yardstick_names.contains(variant.name);
  result.baseline_bits = weight_bits(measurement.model, {}).per_value();
  auto json = to_json(result, measurement.provenance);
  add_roundings(json, measurement.roundings);
  auto text = to_text(result, options.details ? EvalDetails::all : EvalDetails::brief);
  if (options.details || result.variants.size() < 2) {
    text += roundings_text(measurement.roundings, options.compute.arithmetic);
  } else {
    text += "\n--details adds quantiles, the tokens that differ most and what was rounded, for each variant.\n";
  }
  std::vector<EvaluatedText> evaluated;
  for (auto& of_text : result.texts) evaluated.push_back({of_text.name, std::move(of_text.windows)});
  json["calibration_overlaps"] = show_overlaps(options, formats_of(measurement.rules), evaluated);
  return Report{std::move(text), std::move(json)};
}

void run_eval(EvalCommandOptions& options) {
  MeasurementPlan plan{.command = "eval", .variants = variants_of(options.rules, options.variants)};
  plan.inputs = options.texts;
  const auto texts = text_files(options.texts);
  std::deque<GgufModel> others;
  for (const auto& path : options.others) {
    const auto paths = others.emplace_back(path).paths();
    plan.inputs.insert(plan.inputs.end(), paths.begin(), paths.end());
    plan.models.push_back(name_of_model(path));
  }
  std::set<std::string> yardstick_names;
  if (options.yardstick) {
    for (auto& yardstick : yardsticks(GgufModel(options.model))) {
      yardstick_names.insert(yardstick.name);
      plan.variants.push_back({yardstick.name, std::move(yardstick.recipe)});
    }
  }
  refuse_equal_names(plan.variants, options.others);
  // With nothing else to measure, the model is measured against itself.
  if (plan.variants.empty() && others.empty()) plan.variants.push_back({"variant", {}});
  plan.foretell = [&](const GgufModel& model, const std::vector<Variant>& variants) {
    auto eval = options.eval;
    if (eval.ctx_size < kLongContext) return;
    eval.compute = options.compute;
    say_forecast(options, foretell(model.paths(), variants, texts, eval));
  };
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    for (const auto& other : others) measurement.prepared.add_model(name_of_model(other.path()), other);
    return evaluate_and_report(options, texts, yardstick_names, measurement, line);
  });
}

void add_eval_options(Arguments& arguments, EvalCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.texts("-f,--file", "FILE", options.texts, "A text to evaluate; repeatable", Required::yes);
  arguments.texts("--against", "MODEL", options.others,
                  "Another model with the same vocabulary, measured as it is; repeatable");
  arguments.number("-c,--ctx-size", options.eval.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("-b,--batch-size,--ubatch-size", options.compute.batch_size, 1, 1 << 24,
                   "Evaluate at most N tokens together [512]");
  arguments.number("--kv-from", options.eval.kv_from, 1, 1 << 24,
                   "Score only predictions with N tokens before them, as a long cache gives them [half of a chunk]");
  arguments.number("--chunks", options.eval.chunks, 1, 1 << 30, "Evaluate at most N chunks of each text [all]");
  arguments.number("--jitter", options.eval.jitters, 0, 100,
                   "Measure each variant also under N jitters of the embeddings by 1e-6: how much of a figure is "
                   "chance");
  arguments.flag("--yardstick", options.yardstick,
                 "Measure also what common quantizations cost: the matrices in Q8_0, Q6_K and Q4_K");
  arguments.flag("--details", options.details, "Print quantiles, tokens and sites of each of several variants");
  add_measurement_options(arguments, options);
  options.conditions.add_option(arguments, figure_fields(), "kld.mean>0.01");
}

}  // namespace

Command eval_command() {
  return {
      .name = "eval",
      .summary = "Perplexity and KL divergence, baseline against variant",
      .notes =
          "Without rules the model is measured against itself: its perplexity, and a divergence of exactly 0.\n"
          "Several variants are measured beside one pass of the baseline: --variant w4=w4.yaml --variant w8=w8.yaml.\n"
          "--fail-if 'w4: kld.mean>0.01' is about one of them.\n"
          "Ctrl-C ends with what has been measured so far.",
      .example = "eval model.gguf -f text.txt --rule a:ffn_norm=bf16 --fail-if 'kld.mean>0.001'",
      .add = command_of(add_eval_options, run_eval)};
}

}  // namespace fakequant
