#include "report/eval_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "measure/paired_divergence.h"
#include "report/noise_floor_report.h"
#include "report/numbers.h"
#include "report/overflow_report.h"
#include "report/printable_text.h"
#include "report/reader_text.h"
#include "report/score_figures.h"

namespace fakequant {
namespace {

Json sites_json(const EvalResult& result) {
  auto sites = Json::array();
  for (const auto& variant : result.variants) {
    for (const auto& site : variant.sites) {
      Json entry;
      entry["variant"] = variant.name;
      entry["site"] = site.site;
      entry["layer"] = site.layer < 0 ? Json(nullptr) : Json(site.layer);
      entry["format"] = site.format;
      entry["tokens"] = site.tokens;
      entry["evaluations"] = site.evaluations;
      entry["rows"] = site.rows;
      entry["columns"] = site.columns > 0 ? Json(site.columns) : Json(nullptr);  // rows of different lengths
      add_rounding_errors(entry, site.errors);
      entry["kernels_round_to"] = kernels_json(site.readers);
      entry["also_read_by"] = readers_json(site.other_readers);
      sites.push_back(std::move(entry));
    }
  }
  return sites;
}

Json variant_json(const VariantResult& variant, const EvalResult& result) {
  Json json;
  json["name"] = variant.name;
  json["recipe"] = variant.recipe;
  json["model"] = variant.other_model.empty() ? Json(nullptr) : Json(variant.other_model);
  json["yardstick"] = variant.is_yardstick;
  json["bits_per_weight"] = variant.bits_per_weight > 0 ? Json(variant.bits_per_weight) : Json(nullptr);
  json["overflow"] = overflow_json(variant.overflow, names_of(result.texts));
  add_figures(json, variant.overflow ? nullptr : &variant.figures);
  json["macro"] = compared_values_json(variant.macro);
  json["noise_floor"] = noise_floor_json(variant.floor);
  json["jittered_kld"] = variant.jittered_kld;
  json["chunks"] = Json::array();
  for (const auto& chunk : variant.chunks) {
    Json entry = {{"text", result.texts[static_cast<std::size_t>(chunk.text)].name},
                  {"chunk", chunk.chunk},
                  {"baseline_ppl", chunk.ppl_baseline}};
    entry.update(compared_values_json(chunk.figures));
    json["chunks"].push_back(std::move(entry));
  }
  json["worst_tokens"] = Json::array();
  for (const auto& token : variant.worst_tokens)
    json["worst_tokens"].push_back(worst_token_json(token, result.texts[static_cast<std::size_t>(token.text)].name));
  return json;
}

// The name of the better one of two variants; empty where they do not differ.
std::string better_of(const PairedDivergence& paired, const VariantResult& first, const VariantResult& second) {
  if (paired.confidence == 0.5) return {};
  return paired.is_first_better ? first.name : second.name;
}

// Of every two variants.
Json comparisons_json(const EvalResult& result) {
  auto comparisons = Json::array();
  for (std::size_t a = 0; a < result.variants.size(); ++a) {
    for (std::size_t b = a + 1; b < result.variants.size(); ++b) {
      const auto &first = result.variants[a], &second = result.variants[b];
      const auto paired = paired_divergence(first, second);
      if (!paired) continue;
      comparisons.push_back({{"variant", second.name},
                             {"against", first.name},
                             {"kld_difference", paired->difference},
                             {"low", paired->low},
                             {"high", paired->high},
                             {"better", text_or_null(better_of(*paired, first, second))},
                             {"confidence", paired->confidence}});
    }
  }
  return comparisons;
}

Json memory_json(const std::optional<EvalMemory>& memory) {
  if (!memory) return nullptr;
  return {{"total", memory->total()},
          {"weights", memory->weights},
          {"rounded_weights", memory->rounded_weights},
          {"cache", memory->cache},
          {"cache_in_full", memory->cache_in_full},
          {"compute", memory->compute},
          {"products", memory->products},
          {"program", memory->program}};
}

Json text_json(const TextResult& text, const EvalResult& result) {
  Json json;
  json["text"] = text.name;
  json["chunks"] = text.chunks;
  json["tokens_in_text"] = text.tokens_in_text ? Json(*text.tokens_in_text) : Json(nullptr);
  json["tokens_scored"] = text.tokens_scored;
  json["baseline"] = {{"ppl", text.baseline_ppl.value}, {"ppl_error", text.baseline_ppl.error}};
  json["variants"] = Json::array();
  for (std::size_t v = 0; v < text.variants.size(); ++v) {
    Json variant;
    variant["name"] = result.variants[v].name;
    add_figures(variant, &text.variants[v]);
    json["variants"].push_back(std::move(variant));
  }
  return json;
}

// A column of quantiles.
struct QuantileColumn {
  const char* header;
  double Quantiles::*quantile;
};
constexpr QuantileColumn kQuantiles[] = {
    {"1 %", &Quantiles::p1},   {"10 %", &Quantiles::p10},    {"median", &Quantiles::median}, {"90 %", &Quantiles::p90},
    {"99 %", &Quantiles::p99}, {"99.9 %", &Quantiles::p999}, {"max", &Quantiles::max}};

// The last characters of a text, in one line.
std::string end_of_text(const std::string& text, std::size_t characters) {
  std::size_t begin = text.size(), count = 0;
  while (begin > 0 && count < characters) {
    --begin;
    if ((static_cast<unsigned char>(text[begin]) & 0xC0) != 0x80) ++count;
  }
  auto end = text.substr(begin);
  for (auto at = end.find('\n'); at != std::string::npos; at = end.find('\n', at)) end.replace(at, 1, "\\n");
  return printable(begin > 0 ? "..." + end : end);
}

using Cells = std::vector<std::string>;

Cells joined(Cells cells, const Cells& more) {
  cells.insert(cells.end(), more.begin(), more.end());
  return cells;
}

Cells compared_titles() {
  Cells titles;
  for (const auto* quantity : compared_quantities()) titles.push_back(title_text(*quantity));
  return titles;
}

Cells compared_cells(const DivergenceFigures& figures) {
  Cells cells;
  for (const auto* quantity : compared_quantities()) cells.push_back(figure_text(*quantity, figures));
  return cells;
}

std::string bits_text(double bits) { return bits > 0 ? fmt::format("{:.4g}", bits) : ""; }

// Of a variant without figures.
Cells overflow_cells() {
  Cells cells(compared_quantities().size());
  if (!cells.empty()) cells.front() = kOverflows;
  return cells;
}

Cells compared_values(const DivergenceFigures& figures) {
  Cells cells;
  for (const auto* quantity : compared_quantities()) {
    cells.push_back(value_text(*quantity, (figures.*quantity->estimate).value));
  }
  return cells;
}

// The cells of the baseline, which has a perplexity and nothing else.
Cells baseline_cells(const std::string& perplexity) {
  Cells cells;
  for (const auto* quantity : compared_quantities()) {
    cells.push_back(quantity->estimate == &DivergenceFigures::ppl ? perplexity : "");
  }
  return cells;
}

}  // namespace

Json worst_token_json(const WorstToken& token, const std::string& text) {
  return {{"text", text},
          {"chunk", token.chunk},
          {"position", token.position},
          {"context", token.context},
          {"token", token.token},
          {"kld", token.kld},
          {"p_baseline", token.p_baseline},
          {"p_variant", token.p_variant},
          {"top_baseline", token.top_baseline},
          {"top_variant", token.top_variant}};
}

Json to_json(const EvalResult& result, const Provenance& provenance) {
  auto json = json_file("eval", result.model, provenance);
  json["text"] = result.texts.size() == 1 ? Json(result.texts.front().name) : Json(nullptr);
  json["interrupted"] = result.is_interrupted;
  json["threads"] = result.threads;
  json["tokens_in_text"] = result.texts.size() == 1 && result.texts.front().tokens_in_text
                               ? Json(*result.texts.front().tokens_in_text)
                               : Json(nullptr);
  json["tokens_evaluated"] = result.tokens_evaluated;
  json["tokens_scored"] = result.tokens_scored;
  json["chunks"] = result.chunks;
  json["ctx_size"] = result.ctx_size;
  json["batch_size"] = result.batch_size;
  json["scored_from"] = result.scored_from;
  json["memory"] = memory_json(result.memory);
  json["baseline"] = {{"ppl", result.baseline_ppl.value},
                      {"ppl_error", result.baseline_ppl.error},
                      {"bits_per_weight", result.baseline_bits > 0 ? Json(result.baseline_bits) : Json(nullptr)},
                      {"macro", {{"ppl", result.macro_baseline_ppl}}}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) json["variants"].push_back(variant_json(variant, result));
  json["comparisons"] = comparisons_json(result);
  json["texts"] = Json::array();
  for (const auto& text : result.texts) json["texts"].push_back(text_json(text, result));
  json["sites"] = sites_json(result);
  return json;
}

std::string to_text(const EvalForecast& forecast) {
  const auto contexts =
      fmt::format("{} of {} tokens", plural(forecast.contexts, "context"), count_text(forecast.ctx_size));
  std::string memory;
  if (forecast.memory) {
    const auto& of = *forecast.memory;
    const auto weights = of.weights + of.rounded_weights, cache = of.cache + of.cache_in_full;
    memory =
        fmt::format(" about {} of memory ({} for the cache, {} for weights, {} to compute) and", bytes_text(of.total()),
                    bytes_text(cache), bytes_text(weights), bytes_text(of.total() - cache - weights));
  }
  return fmt::format("{} will take{} roughly {}: {} of {} each", contexts, memory, duration_text(forecast.seconds()),
                     plural(forecast.chunks, "chunk"), duration_text(forecast.seconds_per_chunk));
}

Table perplexity_table(const EvalResult& result) {
  Table table(joined(Cells{"<", "bits a weight"}, compared_titles()));
  table.add_row(
      joined(Cells{"baseline", bits_text(result.baseline_bits)}, baseline_cells(estimate_text(result.baseline_ppl))));
  for (const auto& variant : result.variants) {
    table.add_row(joined(Cells{printable(variant.name), bits_text(variant.bits_per_weight)},
                         variant.overflow ? overflow_cells() : compared_cells(variant.figures)));
  }
  return table;
}

Table texts_table(const EvalResult& result) {
  Table table(joined(Cells{"text<", "chunks", "variant<"}, compared_titles()));
  if (result.texts.size() < 2) return table;
  for (const auto& text : result.texts) {
    table.add_row(joined(Cells{printable(text.name), count_text(text.chunks), "baseline"},
                         baseline_cells(estimate_text(text.baseline_ppl))));
    for (std::size_t v = 0; v < text.variants.size(); ++v) {
      table.add_row(joined(Cells{"", "", result.variants[v].name}, compared_cells(text.variants[v])));
    }
  }
  table.add_row(
      joined(Cells{"mean of the texts", "", "baseline"}, baseline_cells(value_text(result.macro_baseline_ppl))));
  for (const auto& variant : result.variants) {
    table.add_row(joined(Cells{"", "", variant.name}, compared_values(variant.macro)));
  }
  return table;
}

Table distribution_table(const DivergenceFigures& figures) {
  Cells headers = {"<", "mean"};
  for (const auto& column : kQuantiles) headers.emplace_back(column.header);
  Table table(headers);
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.quantiles == nullptr) continue;
    Cells cells = {title_text(quantity), value_text(quantity, (figures.*quantity.estimate).value)};
    for (const auto& column : kQuantiles) {
      cells.push_back(value_text(quantity, (figures.*quantity.quantiles).*column.quantile));
    }
    table.add_row(std::move(cells));
  }
  return table;
}

std::string figures_in_words(const DivergenceFigures& figures) {
  return fmt::format(
      "ln of the ratio {}; difference {}; correlation of the log-probabilities {:.4f} %.\n"
      "RMS change of the token's probability {:.3g} % ± {:.2g} %. Top 5 overlap {}, top 10 overlap {}.\n",
      estimate_text(figures.log_ppl_ratio), estimate_text(figures.ppl_difference), 100 * figures.correlation,
      100 * figures.delta_p_rms.value, 100 * figures.delta_p_rms.error, percent_text(figures.top5_overlap),
      percent_text(figures.top10_overlap));
}

Table worst_tokens_table(const std::vector<WorstToken>& tokens, std::size_t max_rows) {
  Table table({"KL divergence", "after<", "actual<", "baseline: p", "expects<", "variant: p", "expects<"});
  constexpr std::size_t kContext = 32;
  for (std::size_t i = 0; i < std::min(max_rows, tokens.size()); ++i) {
    const auto& token = tokens[i];
    const auto quoted = [](const std::string& text) { return "'" + end_of_text(text, kContext) + "'"; };
    table.add_row({value_text(token.kld), quoted(token.context), quoted(token.token), percent_text(token.p_baseline),
                   quoted(token.top_baseline), percent_text(token.p_variant), quoted(token.top_variant)});
  }
  return table;
}

Table sites_table(const VariantResult& variant, std::size_t max_rows) {
  const bool is_rounded_again = std::any_of(variant.sites.begin(), variant.sites.end(),
                                            [](const auto& site) { return !kernels_text(site.readers).empty(); });
  Cells headers{"site<", "format<", "rows", "columns", "elements", "changed", "max abs", "mean abs", "SQNR"};
  if (is_rounded_again) headers.emplace_back("kernels round it to<");
  Table table(headers);
  for (std::size_t i = 0; i < std::min(max_rows, variant.sites.size()); ++i) {
    const auto& site = variant.sites[i];
    const auto& e = site.errors;
    Cells cells{printable(site.site),
                site.format,
                count_text(site.rows),
                site.columns > 0 ? count_text(site.columns) : "-",
                count_text(e.elements),
                count_text(e.changed),
                value_text(e.max_abs),
                value_text(e.mean_abs()),
                e.changed == 0 ? "" : fmt::format("{:.1f} dB", e.sqnr_db())};
    if (is_rounded_again) cells.push_back(kernels_text(site.readers));
    table.add_row(std::move(cells));
  }
  return table;
}

// At a site where no rows were rounded.
std::string why_nothing_was_rounded(const SiteCounters& site) {
  const auto& [sink, recent, group] = site.cache_tokens;
  if (site.evaluations > 0 && group > 0) {
    return fmt::format("no chunk has a whole group of {}{}. Take a shorter group=, or longer chunks.",
                       plural(group, "token"), sink > 0 ? fmt::format(" after the first {}", sink) : "");
  }
  if (site.evaluations > 0 && sink > 0) {
    return fmt::format("keep=sink:{} keeps all tokens of a chunk. Keep fewer, or take longer chunks.", sink);
  }
  return "it was not computed for any of the tokens that the rule names. (The last layer is computed only for tokens "
         "whose predictions are scored.)";
}

std::string sites_notes(const VariantResult& variant) {
  std::vector<std::pair<std::string, std::string>> notes;  // readers, and the sites that they read
  for (const auto& site : variant.sites) {
    const auto readers = readers_text(site.other_readers);
    if (readers.empty()) continue;
    const auto found =
        std::find_if(notes.begin(), notes.end(), [&](const auto& note) { return note.first == readers; });
    if (found == notes.end()) {
      notes.emplace_back(readers, printable(site.site));
    } else {
      found->second += ", " + printable(site.site);
    }
  }
  std::vector<std::pair<std::string, std::string>> idle;  // why nothing was rounded, and the sites
  for (const auto& site : variant.sites) {
    if (site.rows > 0) continue;
    const auto why = why_nothing_was_rounded(site);
    if (idle.empty() || idle.back().first != why) idle.emplace_back(why, "");
    idle.back().second += (idle.back().second.empty() ? "" : ", ") + printable(site.site);
  }
  std::string text;
  for (const auto& [why, sites] : idle) text += fmt::format("Nothing was rounded at {}: {}\n", sites, why);
  for (const auto& [readers, sites] : notes) {
    text += fmt::format("The rounded values of {} are also read by {}.\n", sites, readers);
  }
  return text;
}

namespace {

// The variant with the least divergence; null for less than two.
const VariantResult* best_of(const EvalResult& result) {
  const VariantResult* best = nullptr;
  for (const auto& variant : result.variants) {
    if (variant.overflow) continue;
    if (best == nullptr || variant.figures.kld.value < best->figures.kld.value) best = &variant;
  }
  return result.variants.size() < 2 ? nullptr : best;
}

std::string confidence_text(double confidence) {
  return confidence > 0.9999 ? "> 99.99 %" : fmt::format("{:.4g} %", 100 * confidence);
}

// What the arithmetic leaves of a figure; empty where it changes nothing.
std::string noise_text(const VariantResult& variant) {
  std::string text;
  if (variant.floor && !variant.overflow) {
    text += fmt::format(
        "{}: llama.cpp's kernels round again what these rules round. Rounding one bit of 23 there costs {} nats, the "
        "noise floor: the divergence {}. f32 arithmetic has no floor.\n",
        printable(variant.name), value_text(variant.floor->kld),
        is_below_noise(variant.figures.kld.value, *variant.floor) ? "is not twice that, and says little of the format"
                                                                  : "is more than twice that");
  }
  if (!variant.jittered_kld.empty()) {
    const auto [low, high] = std::minmax_element(variant.jittered_kld.begin(), variant.jittered_kld.end());
    text +=
        fmt::format("{}: under {} of the embeddings by 1e-6 the divergence is {} to {} nats, which is chance.\n",
                    printable(variant.name), plural(static_cast<std::int64_t>(variant.jittered_kld.size()), "jitter"),
                    value_text(*low), value_text(*high));
  }
  return text;
}

std::string variant_in_words(const VariantResult& variant) {
  const auto what = !variant.other_model.empty() ? "the model " + variant.other_model
                    : variant.recipe.empty()     ? "no rules: the model against itself"
                                                 : variant.recipe;
  return fmt::format("{}: {}\n", printable(variant.name), printable(what));
}

std::string variant_text(const VariantResult& variant, const EvalResult& result, EvalDetails details) {
  constexpr std::size_t kWorstShown = 3, kSitesShown = 24;
  auto text = "\n" + variant_in_words(variant);
  if (variant.overflow) text += "\n" + overflow_line(variant.name, *variant.overflow, names_of(result.texts));
  if (variant.figures.kld_at.max != 0 && !variant.overflow) {
    text += fmt::format("\n{}\n{}", distribution_table(variant.figures).to_text(), figures_in_words(variant.figures));
  }
  if (!variant.worst_tokens.empty()) {
    text +=
        fmt::format("\nWhere they differ most:\n\n{}", worst_tokens_table(variant.worst_tokens, kWorstShown).to_text());
  }
  if (variant.sites.empty()) return text;
  const bool is_cut = details == EvalDetails::brief && variant.sites.size() > kSitesShown + 1;
  text += "\n" + sites_table(variant, is_cut ? kSitesShown : variant.sites.size()).to_text();
  if (is_cut) text += fmt::format("  and {} more sites\n", variant.sites.size() - kSitesShown);
  return text + sites_notes(variant);
}

}  // namespace

std::string texts_in_words(const EvalResult& result) {
  std::vector<std::string> names;
  for (const auto& text : result.texts) names.push_back(printable(text.name));
  return fmt::format("{}{}: {} of {} tokens in {} arithmetic, {} scored",
                     result.is_interrupted ? "INTERRUPTED; measured so far on " : "", fmt::join(names, ", "),
                     plural(result.chunks, "chunk"), result.ctx_size, to_string(result.arithmetic),
                     plural(result.tokens_scored, "prediction"));
}

Table comparisons_table(const EvalResult& result) {
  Table table({"difference of the KL divergence<", "nats", "95 % interval", "better<", "confidence"});
  const auto* best = best_of(result);
  if (best == nullptr) return table;
  for (const auto& variant : result.variants) {
    if (&variant == best) continue;
    const auto paired = paired_divergence(*best, variant);
    if (!paired) continue;
    table.add_row({fmt::format("{} - {}", printable(variant.name), printable(best->name)),
                   fmt::format("{:+.3e}", paired->difference),
                   fmt::format("{:+.3e} to {:+.3e}", paired->low, paired->high),
                   printable(better_of(*paired, *best, variant)), confidence_text(paired->confidence)});
  }
  return table;
}

std::string to_text(const EvalResult& result, EvalDetails details) {
  auto text = fmt::format("{} on {}\n\n{}  (± is one standard error)\n", printable(result.model),
                          texts_in_words(result), perplexity_table(result).to_text());
  std::string noise;
  for (const auto& variant : result.variants) noise += noise_text(variant);
  if (!noise.empty()) text += "\n" + noise;
  if (const auto comparisons = comparisons_table(result); !comparisons.empty()) text += "\n" + comparisons.to_text();
  if (const auto texts = texts_table(result); !texts.empty()) text += "\n" + texts.to_text();
  if (details == EvalDetails::all || result.variants.size() < 2) {
    for (const auto& variant : result.variants) text += variant_text(variant, result, details);
    return text;
  }
  text += "\n";
  for (const auto& variant : result.variants) {
    text += variant_in_words(variant);
    if (variant.overflow) text += overflow_line(variant.name, *variant.overflow, names_of(result.texts));
  }
  return text;
}

}  // namespace fakequant
