#include "report/sweep_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/noise_floor_report.h"
#include "report/numbers.h"
#include "report/overflow_report.h"
#include "report/printable_text.h"
#include "report/score_figures.h"

namespace fakequant {
namespace {

constexpr double kUnknownKld = std::numeric_limits<double>::quiet_NaN();

bool is_measured(const SweepVariant& variant) { return variant.chunks > 0 && !variant.overflow; }

// The measured divergence, else the predicted one, else NaN.
double kld_of(const SweepVariant& variant) {
  if (is_measured(variant)) return variant.figures.kld.value;
  return variant.predicted && !variant.overflow ? variant.predicted->kld : kUnknownKld;
}

Json prediction_json(const std::optional<PredictedDivergence>& prediction) {
  if (!prediction) return nullptr;
  return {{"kld", prediction->kld}, {"low", prediction->low}, {"high", prediction->high}};
}

Json variant_json(const SweepVariant& variant, const std::vector<std::string>& texts) {
  Json json;
  json["name"] = variant.recipe;
  json["recipe"] = variant.recipe;
  json["site"] = variant.site;
  json["layer"] = variant.layer ? Json(*variant.layer) : Json(nullptr);
  json["format"] = variant.format;
  json["storage"] = variant.storage.empty() ? Json(nullptr) : Json(variant.storage);
  json["bits"] = variant.bits ? Json(*variant.bits) : Json(nullptr);
  json["chunks"] = variant.chunks;
  json["chunks_found"] = variant.chunks_found;
  json["first_layer"] = variant.first_layer ? Json(*variant.first_layer) : Json(nullptr);
  json["why_whole"] = variant.why_whole.empty() ? Json(nullptr) : Json(variant.why_whole);
  json["precise"] = variant.is_precise;
  json["predicted"] = prediction_json(variant.predicted);
  json["overflow"] = overflow_json(variant.overflow, texts);
  json["noise_floor"] = noise_floor_json(variant.floor);
  add_figures_of_sums(json, is_measured(variant) ? &variant.figures : nullptr);
  return json;
}

// The different values of a field, in the order of the variants.
std::vector<std::string> in_order(const SweepResult& result, std::string SweepVariant::*field) {
  std::vector<std::string> values;
  for (const auto& variant : result.variants) {
    if (std::find(values.begin(), values.end(), variant.*field) == values.end()) values.push_back(variant.*field);
  }
  return values;
}

std::vector<const SweepVariant*> most_harmful_first(const SweepResult& result) {
  std::vector<const SweepVariant*> variants;
  for (const auto& site : in_order(result, &SweepVariant::site)) {
    for (const auto& format : in_order(result, &SweepVariant::format)) {
      const auto begin = variants.size();
      for (const auto& variant : result.variants) {
        if (variant.site == site && variant.format == format) variants.push_back(&variant);
      }
      std::stable_sort(variants.begin() + static_cast<std::ptrdiff_t>(begin), variants.end(),
                       [](const SweepVariant* a, const SweepVariant* b) {
                         const double of_a = kld_of(*a), of_b = kld_of(*b);
                         if (std::isnan(of_a) || std::isnan(of_b)) return std::isnan(of_b) && !std::isnan(of_a);
                         return of_a > of_b;
                       });
    }
  }
  return variants;
}

std::string layer_text(const SweepVariant& variant) {
  return variant.layer ? fmt::format("{}", *variant.layer) : "all";
}

std::string first_layer_text(const SweepVariant& variant) {
  return variant.first_layer ? fmt::format("{}", *variant.first_layer) : "-";
}

// "1.2e-05 ± 1e-06" if it was measured, "~1.2e-05 (9e-06 to 1.5e-05)" if it was predicted.
std::string kld_text(const SweepVariant& variant) {
  if (variant.overflow) return kOverflows;
  if (is_measured(variant)) {
    const auto is_noise = variant.floor && is_below_noise(variant.figures.kld.value, *variant.floor);
    return estimate_text(variant.figures.kld) + (is_noise ? " ?" : "");
  }
  if (!variant.predicted) return "-";
  const auto& [kld, low, high] = *variant.predicted;
  return fmt::format("~{:.2g} ({:.2g} to {:.2g})", kld, low, high);
}

// The smallest and the largest value above zero.
struct Spread {
  double min = kUnknownKld, max = kUnknownKld;

  void add(double value) {
    if (!(value > 0) || !std::isfinite(value)) return;
    min = std::isnan(min) ? value : std::min(min, value);
    max = std::isnan(max) ? value : std::max(max, value);
  }
  // One of five marks, by the position of the value on a logarithmic scale.
  const char* mark(double value) const {
    static constexpr const char* kMarks[] = {"·", "░", "▒", "▓", "█"};
    if (!(value > 0) || !(max > min)) return " ";
    const double position = std::log(value / min) / std::log(max / min);
    return kMarks[std::clamp(static_cast<int>(position * 5), 0, 4)];
  }
};

// The reasons why variants were computed from the first layer on, and the number of variants for each.
std::string whole_notes(const SweepResult& result) {
  std::map<std::string, std::vector<std::string>> variants;
  for (const auto& variant : result.variants) {
    if (!variant.why_whole.empty()) variants[variant.why_whole].push_back(variant.recipe);
  }
  std::string text;
  for (const auto& [why, names] : variants) {
    text += fmt::format("Computed from the first layer on because {}: {}{}.\n", why, printable(names.front()),
                        names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "");
  }
  return text;
}

std::string overflow_notes(const SweepResult& result) {
  std::string text;
  for (const auto& variant : result.variants) {
    if (variant.overflow) text += overflow_line(variant.recipe, *variant.overflow, names_of(result.texts));
  }
  return text;
}

// Of native arithmetic: which divergences say nothing of their formats.
std::string noise_note(const SweepResult& result) {
  int measured = 0, below = 0;
  double highest = 0;
  for (const auto& variant : result.variants) {
    if (!variant.floor || !is_measured(variant)) continue;
    ++measured;
    highest = std::max(highest, variant.floor->kld);
    if (is_below_noise(variant.figures.kld.value, *variant.floor)) ++below;
  }
  if (measured == 0) return {};
  return fmt::format(
      "llama.cpp's kernels round again what {} of the variants round: rounding one bit of 23 there costs up to {} "
      "nats, "
      "the noise floor. {}. f32 arithmetic has no floor.\n",
      measured, value_text(highest),
      below == 0 ? "All divergences are more than twice that of their site"
                 : fmt::format("{}, marked ?, not twice that of their site, and say little of the format",
                               below == 1 ? "1 divergence is" : fmt::format("{} divergences are", below)));
}

std::string precision_note(const SweepResult& result) {
  if (result.precision <= 0) return {};
  std::map<int, int> ended;  // how many variants, by their chunks
  for (const auto& variant : result.variants) {
    if (variant.is_precise) ++ended[variant.chunks];
  }
  std::vector<std::string> parts;
  for (const auto& [chunks, count] : ended) parts.push_back(fmt::format("{} after {}", count, plural(chunks, "chunk")));
  return fmt::format("Precise to {:.3g} %: {}.\n", 100 * result.precision,
                     parts.empty() ? "none of the variants" : fmt::format("{}", fmt::join(parts, ", ")));
}

Json quality_json(const PredictionQuality& quality) {
  return {{"compared", quality.compared},
          {"spearman", quality.rank_correlation},
          {"median_error", quality.median_error},
          {"largest_error", quality.largest_error},
          {"within_interval", quality.within}};
}

int count_predicted(const SweepResult& result) {
  return static_cast<int>(std::count_if(result.variants.begin(), result.variants.end(), [](const auto& variant) {
    return !is_measured(variant) && !variant.overflow && variant.predicted.has_value();
  }));
}

Json prediction_json(const SweepResult& result) {
  const auto& cost = result.prediction_cost;
  const int predicted = count_predicted(result);
  if (!cost && predicted == 0 && result.prediction_quality.compared == 0) return nullptr;
  Json json;
  json["variants"] = predicted;
  json["passes"] = cost ? Json(cost->passes) : Json(nullptr);
  json["passes_of_all"] = cost ? Json(cost->passes_of_all) : Json(nullptr);
  json["probes"] = cost ? Json(cost->probes) : Json(nullptr);
  json["probe_chunks"] = cost ? Json(cost->probe_chunks) : Json(nullptr);
  json["quality"] = quality_json(result.prediction_quality);
  return json;
}

std::string prediction_note(const SweepResult& result) {
  std::string text;
  const int predicted = count_predicted(result);
  if (predicted > 0) {
    text += fmt::format("Predicted, marked by ~, with 95 % intervals: {} of {}.\n", predicted,
                        plural(static_cast<std::int64_t>(result.variants.size()), "variant"));
  }
  if (const auto& cost = result.prediction_cost) {
    text += fmt::format(
        "Measured for the predictions: {} on {}. With the baseline this took {:.3g} passes of the model; measuring "
        "everything takes {:.3g}.\n",
        plural(cost->probes, "variant"), plural(cost->probe_chunks, "chunk"), cost->passes, cost->passes_of_all);
  }
  const auto& quality = result.prediction_quality;
  if (quality.compared == 0) return text;
  text += fmt::format("Accuracy: {} predicted before {} measured: median error {}, largest {}, {} within the interval",
                      plural(quality.compared, "variant"), quality.compared == 1 ? "it was" : "they were",
                      relative_text(quality.median_error), relative_text(quality.largest_error),
                      percent_text(quality.within));
  if (std::isfinite(quality.rank_correlation)) {
    text += fmt::format(", rank correlation {:.3f}", quality.rank_correlation);
  }
  return text + ".\n";
}

std::string head(const SweepResult& result) {
  std::vector<std::string> texts;
  for (const auto& text : result.texts) {
    texts.push_back(fmt::format("{} ({})", printable(text.name), plural(text.chunks, "chunk")));
  }
  const auto shard = result.shards > 1 ? fmt::format(", shard {}/{}", result.shard, result.shards) : "";
  return fmt::format("{}{} on {}, chunks of {} tokens: {}{} in {}\n", result.is_interrupted ? "INTERRUPTED; " : "",
                     result.model, fmt::join(texts, ", "), result.ctx_size,
                     plural(static_cast<std::int64_t>(result.variants.size()), "variant"), shard, result.study);
}

}  // namespace

Json to_json(const SweepResult& result, const Provenance& provenance) {
  auto json = json_file("sweep", result.model, provenance);
  json["study"] = result.study;
  json["texts"] = Json::array();
  for (const auto& text : result.texts) json["texts"].push_back({{"text", text.name}, {"chunks", text.chunks}});
  json["interrupted"] = result.is_interrupted;
  json["dry_run"] = result.is_dry_run;
  json["threads"] = result.threads;
  json["layers"] = result.layers;
  json["ctx_size"] = result.ctx_size;
  json["batch_size"] = result.batch_size;
  json["shard"] = result.shards > 1 ? Json(fmt::format("{}/{}", result.shard, result.shards)) : Json(nullptr);
  json["precision"] = result.precision > 0 ? Json(result.precision) : Json(nullptr);
  json["measured"] = result.measured;
  json["seconds"] = result.seconds;
  json["passes"] = result.passes;
  json["baseline"] = {{"ppl", result.baseline_ppl.value}, {"ppl_error", result.baseline_ppl.error}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) {
    json["variants"].push_back(variant_json(variant, names_of(result.texts)));
  }
  json["prediction"] = prediction_json(result);
  json["notes"] = result.notes;
  return json;
}

Table sweep_table(const SweepResult& result) {
  // Divergences come first: the rows are sorted by them.
  auto quantities = compared_quantities();
  std::erase_if(quantities, [](const auto* quantity) { return quantity->estimate == &DivergenceFigures::ppl; });
  std::stable_partition(quantities.begin(), quantities.end(),
                        [](const auto* quantity) { return is_divergence(*quantity); });
  std::vector<std::string> headers = {"site<", "layer", "format<", "bits"};
  for (const auto* quantity : quantities) headers.push_back(title_text(*quantity));
  headers.insert(headers.end(), {"chunks", "from layer"});
  Table table(headers);
  for (const auto* variant : most_harmful_first(result)) {
    std::vector<std::string> cells = {printable(variant->site), layer_text(*variant), variant->format,
                                      variant->bits ? fmt::format("{:.4g}", *variant->bits) : "-"};
    for (const auto* quantity : quantities) {
      if (quantity->estimate == &DivergenceFigures::kld) {
        cells.push_back(kld_text(*variant));
      } else {
        cells.push_back(is_measured(*variant) ? figure_text(*quantity, variant->figures) : "-");
      }
    }
    cells.push_back(count_text(variant->chunks));
    cells.push_back(first_layer_text(*variant));
    table.add_row(std::move(cells));
  }
  return table;
}

Table heat_table(const SweepResult& result, const std::string& site) {
  const auto formats = in_order(result, &SweepVariant::format);
  std::map<int, std::map<std::string, const SweepVariant*>> known;  // by layer and format
  Spread spread;
  for (const auto& variant : result.variants) {
    if (variant.site != site || !variant.layer || std::isnan(kld_of(variant))) continue;
    known[*variant.layer][variant.format] = &variant;
    spread.add(kld_of(variant));
  }
  std::vector<std::string> headers = {"layer"};
  headers.insert(headers.end(), formats.begin(), formats.end());
  Table table(headers);
  for (const auto& [layer, of_format] : known) {
    std::vector<std::string> cells = {fmt::format("{}", layer)};
    for (const auto& format : formats) {
      const auto found = of_format.find(format);
      if (found == of_format.end()) {
        cells.emplace_back("-");
        continue;
      }
      const auto& variant = *found->second;
      cells.push_back(fmt::format("{}{} {}", is_measured(variant) ? "" : "~", value_text(kld_of(variant)),
                                  spread.mark(kld_of(variant))));
    }
    table.add_row(std::move(cells));
  }
  return table;
}

std::string to_text(const SweepResult& result) {
  auto text = head(result);
  for (const auto& note : result.notes) text += printable(note) + "\n";
  text += "\n" + sweep_table(result).to_text();
  if (result.is_dry_run) {
    return text + fmt::format(
                      "\nNothing was measured: these are the contents of the study. To measure the rest takes {:.1f} "
                      "passes of the model over a chunk.\n",
                      result.passes);
  }
  text += "  (± is one standard error)\n" + whole_notes(result) + overflow_notes(result) + noise_note(result) +
          precision_note(result) + prediction_note(result);
  if (result.is_by_layer) {
    for (const auto& site : in_order(result, &SweepVariant::site)) {
      const auto table = heat_table(result, site);
      if (!table.empty()) {
        text += fmt::format("\nKL divergence at {}, from · (smallest) to █ (largest):\n\n{}", printable(site),
                            table.to_text());
      }
    }
  }
  return text;
}

Json to_json(const MergeResult& result, const Provenance& provenance) {
  auto json = json_file("study_merge", result.model, provenance);
  json["study"] = result.study;
  json["merged"] = result.merged;
  json["texts"] = result.texts;
  json["variants"] = result.variants;
  json["scores"] = result.scores;
  return json;
}

std::string to_text(const MergeResult& result) {
  return fmt::format("{}: {} of {}, {} of them measured\n", result.study, plural(result.variants, "variant"),
                     result.model, plural(result.scores, "chunk"));
}

}  // namespace fakequant
