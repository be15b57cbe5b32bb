#include "report/eval_report.h"

#include <fmt/format.h>

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

Json variant_json(const VariantResult& variant) {
  Json json;
  json["name"] = variant.name;
  json["recipe"] = variant.recipe;
  json["model"] = variant.other_model.empty() ? Json(nullptr) : Json(variant.other_model);
  json["ppl"] = variant.ppl.value;
  json["ppl_error"] = variant.ppl.error;
  json["ppl_ratio"] = variant.ppl_ratio.value;
  json["ppl_ratio_error"] = variant.ppl_ratio.error;
  json["correlation"] = variant.correlation;
  json["kld"] = {{"mean", variant.kld.value}, {"error", variant.kld.error}, {"median", variant.kld_median},
                 {"p1", variant.kld_p1},      {"p5", variant.kld_p5},       {"p10", variant.kld_p10},
                 {"p90", variant.kld_p90},    {"p95", variant.kld_p95},     {"p99", variant.kld_p99},
                 {"p999", variant.kld_p999},  {"max", variant.kld_max}};
  json["delta_p"] = {{"mean", variant.delta_p.value}, {"rms", variant.delta_p_rms}, {"error", variant.delta_p.error}};
  json["top1_agreement"] = variant.top1_agreement;
  json["top5_overlap"] = variant.top5_overlap;
  json["top10_overlap"] = variant.top10_overlap;
  json["chunks"] = Json::array();
  for (const auto& chunk : variant.chunks) {
    json["chunks"].push_back({{"chunk", chunk.chunk},
                              {"baseline_ppl", chunk.ppl_baseline},
                              {"ppl", chunk.ppl},
                              {"kld", chunk.kld},
                              {"top1_agreement", chunk.top1_agreement}});
  }
  json["worst_tokens"] = Json::array();
  for (const auto& token : variant.worst_tokens) {
    json["worst_tokens"].push_back({{"chunk", token.chunk},
                                    {"position", token.position},
                                    {"context", token.context},
                                    {"token", token.token},
                                    {"kld", token.kld},
                                    {"p_baseline", token.p_baseline},
                                    {"p_variant", token.p_variant},
                                    {"top_baseline", token.top_baseline},
                                    {"top_variant", token.top_variant}});
  }
  return json;
}

}  // namespace

Json to_json(const EvalResult& result, const Provenance& provenance) {
  auto json = json_file("eval", result.model, provenance);
  json["text"] = result.text;
  json["threads"] = result.threads;
  json["tokens_in_text"] = result.tokens_in_text;
  json["tokens_evaluated"] = result.tokens_evaluated;
  json["tokens_scored"] = result.tokens_scored;
  json["chunks"] = result.chunks;
  json["ctx_size"] = result.ctx_size;
  json["baseline"] = {{"ppl", result.baseline_ppl.value}, {"ppl_error", result.baseline_ppl.error}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) json["variants"].push_back(variant_json(variant));
  json["sites"] = sites_json(result);
  return json;
}

Table perplexity_table(const EvalResult& result) {
  Table table({"<", "perplexity", "ratio to the baseline", "KL divergence, nats", "same top token"});
  table.add_row({"baseline", estimate_text(result.baseline_ppl), "", "", ""});
  for (const auto& variant : result.variants) {
    table.add_row({variant.name, estimate_text(variant.ppl), estimate_text(variant.ppl_ratio),
                   estimate_text(variant.kld), percent_text(variant.top1_agreement)});
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

std::string to_text(const EvalResult& result) {
  auto text = fmt::format("{} on {}: {} of {} tokens, {} scored\n\n{}", result.model, result.text,
                          plural(result.chunks, "chunk"), result.ctx_size, plural(result.tokens_scored, "prediction"),
                          perplexity_table(result).to_text() + "  (± is one standard error)\n");
  for (const auto& variant : result.variants) {
    const auto what = !variant.other_model.empty() ? "the model " + variant.other_model
                      : variant.recipe.empty()     ? "no rules, the model against itself"
                                                   : variant.recipe;
    text += fmt::format("\n{}: {}\n", variant.name, what);
    if (!variant.sites.empty()) text += "\n" + sites_table(variant).to_text() + sites_notes(variant);
  }
  return text;
}

}  // namespace fakequant
