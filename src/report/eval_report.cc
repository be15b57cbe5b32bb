#include "report/eval_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "report/numbers.h"
#include "report/reader_text.h"

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

Json quantiles_json(const Quantiles& at) {
  return {{"min", at.min}, {"p01", at.p01},       {"p1", at.p1},   {"p5", at.p5},   {"p10", at.p10},
          {"p25", at.p25}, {"median", at.median}, {"p75", at.p75}, {"p90", at.p90}, {"p95", at.p95},
          {"p99", at.p99}, {"p999", at.p999},     {"max", at.max}};
}

void add_figures(Json& json, const DivergenceFigures& figures) {
  json["ppl"] = figures.ppl.value;
  json["ppl_error"] = figures.ppl.error;
  json["ppl_ratio"] = figures.ppl_ratio.value;
  json["ppl_ratio_error"] = figures.ppl_ratio.error;
  json["log_ppl_ratio"] = figures.log_ppl_ratio.value;
  json["log_ppl_ratio_error"] = figures.log_ppl_ratio.error;
  json["ppl_difference"] = figures.ppl_difference.value;
  json["ppl_difference_error"] = figures.ppl_difference.error;
  json["correlation"] = figures.correlation;
  json["kld"] = {{"mean", figures.kld.value}, {"error", figures.kld.error}};
  json["kld"].update(quantiles_json(figures.kld_at));
  json["delta_p"] = {{"mean", figures.delta_p.value},
                     {"error", figures.delta_p.error},
                     {"rms", figures.delta_p_rms.value},
                     {"rms_error", figures.delta_p_rms.error}};
  json["delta_p"].update(quantiles_json(figures.delta_p_at));
  json["top1_agreement"] = figures.top1_agreement.value;
  json["top1_agreement_error"] = figures.top1_agreement.error;
  json["top5_overlap"] = figures.top5_overlap;
  json["top10_overlap"] = figures.top10_overlap;
}

Json worst_token_json(const WorstToken& token, const EvalResult& result) {
  return {{"text", result.texts[static_cast<std::size_t>(token.text)].name},
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

Json variant_json(const VariantResult& variant, const EvalResult& result) {
  Json json;
  json["name"] = variant.name;
  json["recipe"] = variant.recipe;
  json["model"] = variant.other_model.empty() ? Json(nullptr) : Json(variant.other_model);
  add_figures(json, variant.figures);
  json["macro"] = {{"ppl", variant.macro.ppl},
                   {"ppl_ratio", variant.macro.ppl_ratio},
                   {"kld", variant.macro.kld},
                   {"top1_agreement", variant.macro.top1_agreement}};
  json["chunks"] = Json::array();
  for (const auto& chunk : variant.chunks) {
    json["chunks"].push_back({{"text", result.texts[static_cast<std::size_t>(chunk.text)].name},
                              {"chunk", chunk.chunk},
                              {"baseline_ppl", chunk.ppl_baseline},
                              {"ppl", chunk.ppl},
                              {"kld", chunk.kld},
                              {"top1_agreement", chunk.top1_agreement}});
  }
  json["worst_tokens"] = Json::array();
  for (const auto& token : variant.worst_tokens) json["worst_tokens"].push_back(worst_token_json(token, result));
  return json;
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
    add_figures(variant, text.variants[v]);
    json["variants"].push_back(std::move(variant));
  }
  return json;
}

// Where a column shows quantiles: the header, and which.
struct QuantileColumn {
  const char* header;
  double Quantiles::*quantile;
};
constexpr QuantileColumn kQuantiles[] = {
    {"1 %", &Quantiles::p1},   {"10 %", &Quantiles::p10},    {"median", &Quantiles::median}, {"90 %", &Quantiles::p90},
    {"99 %", &Quantiles::p99}, {"99.9 %", &Quantiles::p999}, {"most", &Quantiles::max}};

// The end of a text, at most so many characters, in one line.
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

std::string signed_percent(double fraction) { return fmt::format("{:+.3g} %", 100 * fraction); }

}  // namespace

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
  json["baseline"] = {{"ppl", result.baseline_ppl.value},
                      {"ppl_error", result.baseline_ppl.error},
                      {"macro", {{"ppl", result.macro_baseline_ppl}}}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) json["variants"].push_back(variant_json(variant, result));
  json["texts"] = Json::array();
  for (const auto& text : result.texts) json["texts"].push_back(text_json(text, result));
  json["sites"] = sites_json(result);
  return json;
}

Table perplexity_table(const EvalResult& result) {
  Table table({"<", "perplexity", "ratio to the baseline", "KL divergence, nats", "same top token"});
  table.add_row({"baseline", estimate_text(result.baseline_ppl), "", "", ""});
  for (const auto& variant : result.variants) {
    const auto& figures = variant.figures;
    table.add_row({variant.name, estimate_text(figures.ppl), estimate_text(figures.ppl_ratio),
                   estimate_text(figures.kld), percent_text(figures.top1_agreement.value)});
  }
  return table;
}

Table texts_table(const EvalResult& result) {
  Table table(
      {"text<", "chunks", "variant<", "perplexity", "ratio to the baseline", "KL divergence, nats", "same top token"});
  if (result.texts.size() < 2) return table;
  for (const auto& text : result.texts) {
    table.add_row(
        {printable(text.name), count_text(text.chunks), "baseline", estimate_text(text.baseline_ppl), "", "", ""});
    for (std::size_t v = 0; v < text.variants.size(); ++v) {
      const auto& figures = text.variants[v];
      table.add_row({"", "", result.variants[v].name, estimate_text(figures.ppl), estimate_text(figures.ppl_ratio),
                     estimate_text(figures.kld), percent_text(figures.top1_agreement.value)});
    }
  }
  table.add_row({"mean of the texts", "", "baseline", value_text(result.macro_baseline_ppl), "", "", ""});
  for (const auto& variant : result.variants) {
    const auto& macro = variant.macro;
    table.add_row({"", "", variant.name, value_text(macro.ppl), fmt::format("{:.6f}", macro.ppl_ratio),
                   value_text(macro.kld), percent_text(macro.top1_agreement)});
  }
  return table;
}

Table distribution_table(const DivergenceFigures& figures) {
  std::vector<std::string> headers = {"<", "mean"};
  std::vector<std::string> kld = {"KL divergence, nats", value_text(figures.kld.value)};
  std::vector<std::string> delta_p = {"change of probability", signed_percent(figures.delta_p.value)};
  for (const auto& column : kQuantiles) {
    headers.emplace_back(column.header);
    kld.push_back(value_text(figures.kld_at.*column.quantile));
    delta_p.push_back(signed_percent(figures.delta_p_at.*column.quantile));
  }
  Table table(headers);
  table.add_row(std::move(kld));
  table.add_row(std::move(delta_p));
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

Table worst_tokens_table(const VariantResult& variant, std::size_t most) {
  Table table({"KL divergence", "after<", "came<", "baseline: p", "expects<", "variant: p", "expects<"});
  constexpr std::size_t kContext = 32;
  for (std::size_t i = 0; i < std::min(most, variant.worst_tokens.size()); ++i) {
    const auto& token = variant.worst_tokens[i];
    const auto quoted = [](const std::string& text) { return "'" + end_of_text(text, kContext) + "'"; };
    table.add_row({value_text(token.kld), quoted(token.context), quoted(token.token), percent_text(token.p_baseline),
                   quoted(token.top_baseline), percent_text(token.p_variant), quoted(token.top_variant)});
  }
  return table;
}

Table sites_table(const VariantResult& variant) {
  Table table({"site<", "format<", "rows", "columns", "elements", "changed", "max abs", "mean abs", "SQNR",
               "kernels round it to<"});
  for (const auto& site : variant.sites) {
    const auto& e = site.errors;
    table.add_row({printable(site.site), site.format, count_text(site.rows),
                   site.columns > 0 ? count_text(site.columns) : "-", count_text(e.elements), count_text(e.changed),
                   value_text(e.max_abs), value_text(e.mean_abs()),
                   e.changed == 0 ? "" : fmt::format("{:.1f} dB", e.sqnr_db()), kernels_text(site.readers)});
  }
  return table;
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
  std::string text, without;
  for (const auto& site : variant.sites) {
    if (site.rows == 0) without += (without.empty() ? "" : ", ") + printable(site.site);
  }
  if (!without.empty()) {
    text += fmt::format(
        "Nothing was rounded at {}: it was computed for none of the tokens that the rule names. (The last layer is "
        "computed only for tokens whose predictions are scored.)\n",
        without);
  }
  for (const auto& [readers, sites] : notes) {
    text += fmt::format("The rounded values of {} are also read by {}.\n", sites, readers);
  }
  return text;
}

std::string texts_in_words(const EvalResult& result) {
  std::vector<std::string> names;
  for (const auto& text : result.texts) names.push_back(printable(text.name));
  return fmt::format("{}{}: {} of {} tokens, {} scored",
                     result.is_interrupted ? "INTERRUPTED; measured so far on " : "", fmt::join(names, ", "),
                     plural(result.chunks, "chunk"), result.ctx_size, plural(result.tokens_scored, "prediction"));
}

std::string to_text(const EvalResult& result) {
  constexpr std::size_t kWorstShown = 3;
  auto text = fmt::format("{} on {}\n\n{}  (± is one standard error)\n", result.model, texts_in_words(result),
                          perplexity_table(result).to_text());
  if (const auto texts = texts_table(result); !texts.empty()) text += "\n" + texts.to_text();
  for (const auto& variant : result.variants) {
    const auto what = !variant.other_model.empty() ? "the model " + variant.other_model
                      : variant.recipe.empty()     ? "no rules, the model against itself"
                                                   : variant.recipe;
    text += fmt::format("\n{}: {}\n", variant.name, what);
    if (variant.figures.kld_at.max != 0) {
      text += fmt::format("\n{}\n{}", distribution_table(variant.figures).to_text(), figures_in_words(variant.figures));
    }
    if (!variant.worst_tokens.empty()) {
      text += fmt::format("\nWhere they differ most:\n\n{}", worst_tokens_table(variant, kWorstShown).to_text());
    }
    if (!variant.sites.empty()) text += "\n" + sites_table(variant).to_text() + sites_notes(variant);
  }
  return text;
}

}  // namespace fakequant
