#include "report/bench_report.h"

#include <fmt/format.h>

#include "report/numbers.h"

namespace fakequant {
namespace {

std::string cost_text(double ratio) { return fmt::format("{:+.1f} %", (ratio - 1) * 100); }

std::string interval_text(const Speed& speed) {
  return fmt::format("{} ({} to {})", cost_text(speed.ratio), cost_text(speed.ratio_low), cost_text(speed.ratio_high));
}

Json speed_json(const Speed& speed) {
  return {{"tps", speed.tps}, {"ratio", speed.ratio}, {"ratio_low", speed.ratio_low}, {"ratio_high", speed.ratio_high}};
}

std::string tps_text(double tps) { return fmt::format("{:.{}f} t/s", tps, tps < 100 ? 2 : 0); }

}  // namespace

Json to_json(const BenchResult& result, const Provenance& provenance) {
  auto json = json_file("bench", result.model, provenance);
  json["threads"] = result.threads;
  json["prompt_tokens"] = result.prompt_tokens;
  json["decode_tokens"] = result.decode_tokens;
  json["repetitions"] = result.repetitions;
  json["baseline"] = {{"prompt_tps", result.prompt_tps}, {"decode_tps", result.decode_tps}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) {
    Json entry;
    entry["name"] = variant.name;
    entry["recipe"] = variant.recipe;
    entry["prompt"] = speed_json(variant.prompt);
    entry["decode"] = speed_json(variant.decode);
    json["variants"].push_back(std::move(entry));
  }
  json["load_ms"] = result.load_ms;
  json["peak_rss"] = result.peak_rss;
  return json;
}

Table speed_table(const BenchResult& result) {
  Table table({"<", "prompt", "change in time", "decode", "change in time"});
  table.add_row({"baseline", tps_text(result.prompt_tps), "", tps_text(result.decode_tps), ""});
  for (const auto& variant : result.variants) {
    table.add_row({variant.name, tps_text(variant.prompt.tps), interval_text(variant.prompt),
                   tps_text(variant.decode.tps), interval_text(variant.decode)});
  }
  return table;
}

std::string verdict(const Speed& speed) {
  const double low = (speed.ratio_low - 1) * 100, high = (speed.ratio_high - 1) * 100;
  if (low > 0) return fmt::format("a cost of {:.1f} % to {:.1f} %", low, high);
  if (high < 0) return fmt::format("faster by {:.1f} % to {:.1f} %", -high, -low);
  constexpr double kAbsurd = 1000;
  if (high > kAbsurd) return "not told apart from zero: the runs differ too much, the machine is busy";
  return fmt::format("not told apart from zero, a cost above {:.1f} % is ruled out", high);
}

std::string to_text(const BenchResult& result) {
  auto text =
      fmt::format("{}: {} threads, {} prompt and {} decode tokens, {} rounds\n\n{}\n", result.model, result.threads,
                  result.prompt_tokens, result.decode_tokens, result.repetitions, speed_table(result).to_text());
  for (const auto& variant : result.variants) {
    text += fmt::format("{}: prompt: {}; decode: {} (95 % confidence).\n", variant.name, verdict(variant.prompt),
                        verdict(variant.decode));
  }
  text += fmt::format("Loaded in {:.0f} ms; peak memory {}.\n", result.load_ms, bytes_text(result.peak_rss));
  return text;
}

}  // namespace fakequant
