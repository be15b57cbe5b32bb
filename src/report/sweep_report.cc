#include "report/sweep_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/numbers.h"

namespace fakequant {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Json variant_json(const SweepVariant& variant) {
  const auto& figures = variant.figures;
  // Nothing is known of what was not measured.
  const auto known = [&](double value) { return variant.chunks > 0 ? Json(value) : Json(nullptr); };
  Json json;
  json["name"] = variant.recipe;
  json["recipe"] = variant.recipe;
  json["site"] = variant.site;
  json["layer"] = variant.layer ? Json(*variant.layer) : Json(nullptr);
  json["format"] = variant.format;
  json["storage"] = variant.storage.empty() ? Json(nullptr) : Json(variant.storage);
  json["chunks"] = variant.chunks;
  json["chunks_found"] = variant.chunks_found;
  json["first_layer"] = variant.first_layer ? Json(*variant.first_layer) : Json(nullptr);
  json["why_whole"] = variant.why_whole.empty() ? Json(nullptr) : Json(variant.why_whole);
  json["precise"] = variant.is_precise;
  json["ppl"] = known(figures.ppl.value);
  json["ppl_error"] = known(figures.ppl.error);
  json["ppl_ratio"] = known(figures.ppl_ratio.value);
  json["ppl_ratio_error"] = known(figures.ppl_ratio.error);
  json["kld"] = {
      {"mean", known(figures.kld.value)}, {"error", known(figures.kld.error)}, {"max", known(figures.kld_at.max)}};
  json["delta_p"] = {{"mean", known(figures.delta_p.value)},
                     {"error", known(figures.delta_p.error)},
                     {"rms", known(figures.delta_p_rms.value)}};
  json["top1_agreement"] = known(figures.top1_agreement.value);
  json["top5_overlap"] = known(figures.top5_overlap);
  json["top10_overlap"] = known(figures.top10_overlap);
  return json;
}

// What is listed together: a site in a format.
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
                         if ((a->chunks > 0) != (b->chunks > 0)) return a->chunks > 0;
                         return a->figures.kld.value > b->figures.kld.value;
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

// The least and the most of what is above zero.
struct Spread {
  double least = kNone, most = kNone;

  void add(double value) {
    if (!(value > 0) || !std::isfinite(value)) return;
    least = std::isnan(least) ? value : std::min(least, value);
    most = std::isnan(most) ? value : std::max(most, value);
  }
  // Five marks, each for a fifth of the way from the least to the most.
  const char* mark(double value) const {
    static constexpr const char* kMarks[] = {"·", "░", "▒", "▓", "█"};
    if (!(value > 0) || !(most > least)) return " ";
    const double place = std::log(value / least) / std::log(most / least);
    return kMarks[std::clamp(static_cast<int>(place * 5), 0, 4)];
  }
};

// For each reason why variants were computed whole, how many.
std::string whole_notes(const SweepResult& result) {
  std::map<std::string, std::vector<std::string>> variants;
  for (const auto& variant : result.variants) {
    if (!variant.why_whole.empty()) variants[variant.why_whole].push_back(variant.recipe);
  }
  std::string text;
  for (const auto& [why, names] : variants) {
    text += fmt::format("Computed whole, because {}: {}{}.\n", why, printable(names.front()),
                        names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "");
  }
  return text;
}

std::string precision_note(const SweepResult& result) {
  if (result.precision <= 0) return {};
  std::map<int, int> ended;  // how many variants, by their chunks
  for (const auto& variant : result.variants) {
    if (variant.is_precise) ++ended[variant.chunks];
  }
  std::vector<std::string> parts;
  for (const auto& [chunks, count] : ended) parts.push_back(fmt::format("{} after {}", count, plural(chunks, "chunk")));
  return fmt::format("Known to {:.3g} %: {}.\n", 100 * result.precision,
                     parts.empty() ? "none of the variants" : fmt::format("{}", fmt::join(parts, ", ")));
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
  json["baseline"] = {{"ppl", result.baseline_ppl.value}, {"ppl_error", result.baseline_ppl.error}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) json["variants"].push_back(variant_json(variant));
  json["notes"] = result.notes;
  return json;
}

Table sweep_table(const SweepResult& result) {
  Table table({"site<", "layer", "format<", "KL divergence, nats", "ratio of perplexity", "same top token", "chunks",
               "from layer"});
  for (const auto* variant : most_harmful_first(result)) {
    const auto& figures = variant->figures;
    const auto known = [&](const std::string& text) { return variant->chunks > 0 ? text : "-"; };
    table.add_row({printable(variant->site), layer_text(*variant), variant->format, known(estimate_text(figures.kld)),
                   known(estimate_text(figures.ppl_ratio)), known(percent_text(figures.top1_agreement.value)),
                   count_text(variant->chunks), first_layer_text(*variant)});
  }
  return table;
}

Table heat_table(const SweepResult& result, const std::string& site) {
  const auto formats = in_order(result, &SweepVariant::format);
  std::map<int, std::map<std::string, double>> kld;  // by layer and format
  Spread spread;
  for (const auto& variant : result.variants) {
    if (variant.site != site || !variant.layer || variant.chunks == 0) continue;
    kld[*variant.layer][variant.format] = variant.figures.kld.value;
    spread.add(variant.figures.kld.value);
  }
  std::vector<std::string> headers = {"layer"};
  headers.insert(headers.end(), formats.begin(), formats.end());
  Table table(headers);
  for (const auto& [layer, of_format] : kld) {
    std::vector<std::string> cells = {fmt::format("{}", layer)};
    for (const auto& format : formats) {
      const auto found = of_format.find(format);
      cells.push_back(
          found == of_format.end() ? "-" : fmt::format("{} {}", value_text(found->second), spread.mark(found->second)));
    }
    table.add_row(std::move(cells));
  }
  return table;
}

std::string to_text(const SweepResult& result) {
  auto text = head(result);
  for (const auto& note : result.notes) text += printable(note) + "\n";
  text += "\n" + sweep_table(result).to_text();
  if (result.is_dry_run) return text + "\nNothing was measured: this is what the study has.\n";
  text += "  (± is one standard error)\n" + whole_notes(result) + precision_note(result);
  if (result.is_by_layer) {
    for (const auto& site : in_order(result, &SweepVariant::site)) {
      const auto table = heat_table(result, site);
      if (!table.empty()) {
        text += fmt::format("\nKL divergence at {}, from · the least to █ the most:\n\n{}", printable(site),
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
