#include "report/experiment_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "recipe/recipe_yaml.h"
#include "report/apply_report.h"
#include "report/bench_report.h"
#include "report/census_report.h"
#include "report/compare_report.h"
#include "report/drift_report.h"
#include "report/eval_report.h"
#include "report/generation_report.h"
#include "report/markdown_text.h"
#include "report/numbers.h"
#include "report/printable_text.h"
#include "report/score_figures.h"

namespace fakequant {
namespace {

// A fenced code block whose fence is longer than any in the text.
std::string fenced(const std::string& written, const std::string& language = "") {
  const auto text = printable_lines(written);
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, text.ends_with('\n') ? "" : "\n", fence);
}

std::string paragraph(const std::vector<std::string>& sentences) {
  return fmt::format("{}\n", fmt::join(sentences, " "));
}

std::string describe_variants(const ExperimentResult& result) {
  std::string text;
  for (const auto& variant : result.eval.variants) {
    const bool has_own_recipe =
        std::any_of(result.variants.begin(), result.variants.end(),
                    [&](const ExperimentVariant& further) { return further.name == variant.name; });
    if (has_own_recipe) {
      text +=
          fmt::format("- **{}**: all rules of its recipe together: {}.\n", variant.name, markdown_code(variant.recipe));
      continue;
    }
    text +=
        variant.name == "weights"
            ? fmt::format("- **{}**: the weights that the rules name are rounded once, before the model runs: {}.\n",
                          variant.name, markdown_code(variant.recipe))
            : fmt::format(
                  "- **{}**: the values that the rules name are rounded each time the model computes them: {}.\n",
                  variant.name, markdown_code(variant.recipe));
  }
  return text;
}

// Variants in different formats do not show which part of the model is more sensitive.
std::string comparability(const ExperimentResult& result) {
  std::set<std::string> formats;
  for (const auto& rule : result.recipe) formats.insert(markdown_code(format_text(rule)));
  for (const auto& variant : result.variants) {
    for (const auto& rule : variant.recipe) formats.insert(markdown_code(format_text(rule)));
  }
  if (formats.size() < 2 || result.eval.variants.size() < 2) return {};
  return fmt::format(
      "The rules use different formats ({}): compare each variant with the baseline, not with each other.\n\n",
      fmt::join(formats, ", "));
}

std::string model_in_words(const Census& census) {
  std::int64_t parameters = 0;
  for (const auto& tensor : census.tensors) parameters += tensor.elements;
  return fmt::format("{}, {}, {} values, {}", markdown_text(census.architecture), plural(census.layers, "layer"),
                     count_text(parameters), bytes_text(census.file_size));
}

std::string question(const ExperimentResult& result) {
  return fmt::format(
             "## What was asked\n\n"
             "How much does {} ({}) lose when parts of it are stored in another number format? Values are rounded to "
             "the format and written back in their own floating-point type; everything else is unchanged. The "
             "**baseline** is the unmodified model; each variant applies some of the rules:\n\n"
             "{}\n",
             markdown_code(result.model), model_in_words(result.census), describe_variants(result)) +
         comparability(result);
}

std::string texts_alike(const ExperimentResult& result, const std::string& variant) {
  std::int64_t alike = 0, texts = 0;
  for (const auto& prompt : result.generation.prompts) {
    for (const auto& written : prompt.variants) {
      if (written.name != variant) continue;
      ++texts;
      alike += written.identical;
    }
  }
  return fmt::format("{} of {}", alike, texts);
}

std::string in_short(const ExperimentResult& result) {
  std::vector<const ScoreQuantity*> quantities;  // other than perplexity
  for (const auto* quantity : compared_quantities()) {
    const bool is_perplexity =
        quantity->estimate == &DivergenceFigures::ppl || quantity->estimate == &DivergenceFigures::ppl_ratio;
    if (!is_perplexity) quantities.push_back(quantity);
  }
  std::vector<std::string> headers = {"variant<", "change of perplexity"};
  for (const auto* quantity : quantities) headers.push_back(title_text(*quantity));
  headers.emplace_back("identical answers");
  Table table(headers);
  for (const auto& variant : result.eval.variants) {
    const auto& ratio = variant.figures.ppl_ratio;
    std::vector<std::string> cells = {variant.name,
                                      fmt::format("{:+.4f} % ± {:.4f} %", 100 * (ratio.value - 1), 100 * ratio.error)};
    for (const auto* quantity : quantities) cells.push_back(figure_text(*quantity, variant.figures));
    cells.push_back(texts_alike(result, variant.name));
    table.add_row(std::move(cells));
  }
  return fmt::format("## In short\n\n{}\n", table.to_markdown()) +
         "Compared with the unmodified model. A KL divergence of 0 means identical predictions everywhere. What the "
         "figures mean, and how certain they are, is explained [below](#what-the-numbers-mean).\n\n";
}

std::string precision_before(const ExperimentResult& result) {
  std::vector<std::string> types;
  for (const auto& [type, count] : result.census.types) types.push_back(fmt::format("{} {}", count, type));
  return fmt::format(
      "## The precision of the weights before\n\n"
      "{}\n"
      "{}\n"
      "The file holds {} ({}). A tensor whose values all end in 16 zero bits holds BF16 values in F32; rounding it "
      "to BF16 has no effect. The figures of each tensor are in `inspect.json`.\n\n",
      markdown_lines(paragraph(census_findings(result.census))), folded_census_table(result.census).to_markdown(),
      plural(static_cast<std::int64_t>(result.census.tensors.size()), "tensor"), fmt::join(types, ", "));
}

std::string what_changed(const ExperimentResult& result) {
  if (!result.rounding || !result.comparison) {
    return "## What the rounding changed in the weights\n\nNo rule names weights: they are unchanged.\n\n";
  }
  const auto& rounding = *result.rounding;
  const bool changed = std::any_of(rounding.tensors.begin(), rounding.tensors.end(), [](const auto& tensor) {
    return tensor.errors.changed > 0 || tensor.storage_moved > 0;
  });
  auto text = fmt::format("## What the rounding changed in the weights\n\n{}\n",
                          rounding_table(fold_layers(rounding)).to_markdown());
  if (changed) {
    text += markdown_lines(rounding_summary(rounding) + storage_note(rounding));
    if (rounding.tensors_copied > 0) {
      text += fmt::format("The other {} have the same bytes as before. ", plural(rounding.tensors_copied, "tensor"));
    }
    text += "The figures of each tensor are in `compare.json`.\n";
  } else {
    text +=
        "**Nothing changed.** Every one of these values could be written in the format already, most likely because "
        "the model was trained or published in it. So the weights variant below is the model itself, and does not show "
        "what this format costs.\n";
  }
  return text + "\n";
}

std::string perplexity_and_divergence(const ExperimentResult& result) {
  const auto& eval = result.eval;
  auto text = fmt::format(
      "## Perplexity and divergence\n\n"
      "{}, those of each chunk's second half, as llama-perplexity does. ± is one standard error.\n\n"
      "{}\n",
      markdown_lines(texts_in_words(eval)), perplexity_table(eval).to_markdown());
  if (const auto texts = texts_table(eval); !texts.empty()) text += texts.to_markdown() + "\n";
  for (const auto& variant : eval.variants) {
    if (variant.figures.kld_at.max == 0) continue;
    constexpr std::size_t kWorstShown = 5;
    text += fmt::format(
        "The distribution over the predictions of **{}**:\n\n{}\n{}\nThe predictions that differ most from the "
        "baseline:\n\n{}\n",
        variant.name, distribution_table(variant.figures).to_markdown(), figures_in_words(variant.figures),
        worst_tokens_table(variant.worst_tokens, kWorstShown).to_markdown());
  }
  for (const auto& variant : eval.variants) {
    if (variant.sites.empty()) continue;
    text += fmt::format(
        "What was rounded in **{}** while the text was evaluated, each value exactly once (rows x columns = "
        "elements{}):\n\n"
        "{}\n",
        variant.name,
        eval.arithmetic == Arithmetic::f32
            ? ""
            : "; the last column is what llama.cpp's own kernels then round it to, in the baseline as well",
        sites_table(variant, variant.sites.size()).to_markdown());
    if (const auto notes = sites_notes(variant); !notes.empty()) text += markdown_lines(notes) + "\n";
    const auto last = std::find_if(variant.sites.begin(), variant.sites.end(),
                                   [&](const auto& site) { return site.rows < eval.tokens_evaluated; });
    if (last != variant.sites.end()) {
      text += fmt::format(
          "{} has fewer rows because llama.cpp computes the last layer only for the tokens whose predictions were "
          "asked for.\n\n",
          markdown_code(last->site));
    }
  }
  return text;
}

std::string where_the_error_enters(const ExperimentResult& result) {
  std::string text =
      "## Where the error enters, grows and dies\n\n"
      "Each activation of a variant compared with the baseline's: the norm of the difference relative to that of the "
      "value, in the output of each layer's attention and FFN, and in that of the layer. All nodes are in "
      "`drift-*.json`.\n\n";
  for (std::size_t v = 0; v < result.drifts.size(); ++v) {
    const auto& drift = result.drifts[v];
    const bool differs = std::any_of(drift.nodes.begin(), drift.nodes.end(),
                                     [](const NodeDrift& node) { return node.role != DriftRole::exact; });
    text += differs ? fmt::format("**{}**:\n\n{}\n", result.eval.variants[v].name, layers_table(drift).to_markdown())
                    : fmt::format("**{}**: no activation differs.\n\n", result.eval.variants[v].name);
  }
  return text;
}

std::string prompts_side_by_side(const ExperimentResult& result) {
  const auto& generation = result.generation;
  auto text = fmt::format(
      "## The prompts side by side\n\n{} The part that is the same in both is shown once; what differs begins with "
      "`>>>`.\n\n",
      sampling_text(generation.sampling));
  for (const auto& prompt : generation.prompts) {
    text += "Prompt:\n\n" + fenced(prompt.prompt) + "\n";
    if (shows_baseline(prompt)) text += "baseline:\n\n" + fenced(prompt.baseline) + "\n";
    for (const auto& variant : prompt.variants) {
      text += fmt::format("**{}**: {}.", variant.name, verdict(prompt, variant));
      if (variant.at_first_difference) {
        text += " " + markdown_text(first_difference_text(*variant.at_first_difference));
      }
      text += "\n\n";
      if (!variant.identical) text += fenced(texts_side_by_side(prompt, variant, {})) + "\n";
    }
  }
  return text;
}

std::string speed(const ExperimentResult& result) {
  const auto& bench = result.bench;
  auto text = fmt::format(
      "## Speed\n\n"
      "{}\n"
      "Baseline and variants took turns: {} rounds of {} prompt and {} decode tokens, {}. The change is the trimmed "
      "mean of the rounds (without the highest and the lowest fifth), with its 95 % confidence interval in brackets. "
      "Rounded weights are computed as the others are, so differences in their speed are chance.\n\n",
      speed_table(bench).to_markdown(), bench.repetitions, bench.prompt_tokens, bench.decode_tokens,
      plural(bench.threads, "thread"));
  for (const auto& variant : bench.variants) text += fmt::format("- {}.\n", verdicts(variant));
  return text + fmt::format(
                    "\n{}\nMemory is the growth of the process from before the model was opened to after the first "
                    "run; the peak, with all variants, was {}.\n\n",
                    memory_table(bench).to_markdown(), bytes_text(bench.peak_rss));
}

// Whether a change is larger than its error.
std::string perplexity_meaning(const VariantResult& variant) {
  const auto& figures = variant.figures;
  const double change = figures.ppl_ratio.value - 1, error = figures.ppl_ratio.error;
  if (figures.kld.value == 0 && change == 0) {
    return fmt::format(
        "**{}** predicts exactly what the baseline predicts: every probability is the same, to the last bit.",
        variant.name);
  }
  const auto size = fmt::format("{:+.4f} % ± {:.4f} %", change * 100, error * 100);
  const bool is_clear = std::fabs(change) > 2 * error;
  const auto direction = change > 0 ? "higher" : "lower";
  return fmt::format(
      "**{}**: the perplexity is {} ({}), which is {} two standard errors: {}. The mean KL divergence of {} nats "
      "measures how far its predictions are from the baseline's, whichever token comes next; for {} of the predictions "
      "both have the same most likely token.",
      variant.name, direction, size, is_clear ? "more than" : "within",
      is_clear ? "a real, if perhaps small, effect on this text"
               : "on this text it cannot be distinguished from no effect",
      estimate_text(figures.kld), percent_text(figures.top1_agreement.value));
}

std::string meaning(const ExperimentResult& result) {
  std::string text = "## What the numbers mean\n\n";
  const bool weights_unchanged =
      result.rounding &&
      std::all_of(result.rounding->tensors.begin(), result.rounding->tensors.end(),
                  [](const auto& tensor) { return tensor.errors.changed == 0 && tensor.storage_moved == 0; });
  for (const auto& variant : result.eval.variants) {
    text += "- " + perplexity_meaning(variant);
    if (variant.name == "weights" && weights_unchanged) text += " No other result was possible: no weight changed.";
    text += "\n";
  }
  text +=
      "- KL divergence is the more sensitive measure: perplexity can stay the same while probabilities change in both "
      "directions. 0 means the same distribution everywhere.\n"
      "- llama.cpp rounds too: the inputs of a matrix product become F16 if the weights are F16, and blocks of 8-bit "
      "integers if the weights are quantized. The baseline has these roundings as well; the figures show what the "
      "rules add.\n"
      "- Fake quantization shows the effect of a format on the results, not the speed of hardware with that format. "
      "The speeds above are those of the emulation.\n\n";
  return text;
}

// As files have them.
std::string recipes_text(const ExperimentResult& result) {
  std::string text;
  if (!result.recipe.empty()) {
    text += "The rules, as in `recipe.yaml`:\n\n" + fenced(to_yaml(result.recipe), "yaml") + "\n";
  }
  for (const auto& variant : result.variants) {
    text += fmt::format("The rules of {}, as in `recipe-{}.yaml`:\n\n{}\n", variant.name, variant.name,
                        fenced(to_yaml(variant.recipe), "yaml"));
  }
  return text;
}

std::string how_to_repeat(const ExperimentResult& result, const Provenance& provenance) {
  const auto& environment = result.environment;
  return fmt::format(
      "## How to repeat it\n\n"
      "{}\n"
      "{}"
      "Measured with fakequant {}, {}, on {} ({}, {}), {}; back ends: {}. All other figures are in the JSON files "
      "next to this report.\n",
      fenced(provenance.command, "sh"), recipes_text(result), environment.version, environment.engine, environment.cpu,
      plural(environment.cores, "core"), environment.system, plural(environment.threads, "thread"),
      fmt::join(environment.backends, ", "));
}

}  // namespace

Json to_json(const Environment& environment, const std::string& model, const Provenance& provenance) {
  auto json = json_file("environment", model, provenance);
  json["cpu"] = environment.cpu;
  json["cores"] = environment.cores;
  json["threads"] = environment.threads;
  json["system"] = environment.system;
  json["compiler"] = environment.compiler;
  json["engine"] = environment.engine;
  return json;
}

std::string to_markdown(const ExperimentResult& result, const Provenance& provenance) {
  return fmt::format("# What rounding costs: {}\n\n",
                     markdown_text(std::filesystem::path(result.model).filename().string())) +
         question(result) + in_short(result) + precision_before(result) + what_changed(result) +
         perplexity_and_divergence(result) + where_the_error_enters(result) + prompts_side_by_side(result) +
         speed(result) + meaning(result) + how_to_repeat(result, provenance);
}

std::vector<NamedJson> step_files(ExperimentStep step, const ExperimentResult& result, const Provenance& provenance) {
  const auto one_file = [&](Json json) {
    return std::vector<NamedJson>{{fmt::format("{}.json", step_name(step)), std::move(json)}};
  };
  std::vector<NamedJson> files;
  switch (step) {
    case ExperimentStep::inspect:
      return one_file(to_json(result.census, provenance));
    case ExperimentStep::compare:
      return one_file(to_json(*result.comparison, provenance));
    case ExperimentStep::eval:
      return one_file(to_json(result.eval, provenance));
    case ExperimentStep::drift:
      for (std::size_t v = 0; v < result.drifts.size(); ++v) {
        files.push_back(
            {fmt::format("drift-{}.json", result.eval.variants[v].name), to_json(result.drifts[v], provenance)});
      }
      return files;
    case ExperimentStep::generate:
      return one_file(to_json(result.generation, provenance));
    case ExperimentStep::bench:
      return one_file(to_json(result.bench, provenance));
  }
  return files;
}

std::vector<std::string> experiment_files() {
  return {"recipe.yaml",   "command.txt", "environment.json",   "inspect.json",
          "compare.json",  "eval.json",   "drift-weights.json", "drift-activations.json",
          "generate.json", "bench.json",  "report.md",          "report.html"};
}

Json to_json(const ExperimentResult& result, const std::string& folder, const Provenance& provenance) {
  auto json = json_file("experiment", result.model, provenance);
  json["folder"] = folder;
  json["recipe"] = to_string(result.recipe);
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) {
    json["variants"].push_back({{"name", variant.name}, {"recipe", to_string(variant.recipe)}});
  }
  json["eval"] = to_json(result.eval, provenance);
  json["drift"] = Json::array();
  for (const auto& drift : result.drifts) json["drift"].push_back(to_json(drift, provenance));
  json["generate"] = to_json(result.generation, provenance);
  json["bench"] = to_json(result.bench, provenance);
  return json;
}

std::string files_text(const std::string& report_path, const ExperimentPage& page) {
  const auto where =
      page.path.empty() ? "No page: " + page.missing : "The same with charts, for any browser: " + page.path;
  return fmt::format("\n(This report: {}. {})\n", report_path, where);
}

}  // namespace fakequant
