#include "report/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string load_text(const std::optional<double>& load_ms) {
  return load_ms ? fmt::format("{:.0f} ms", *load_ms) : "the baseline's";
}

std::string memory_text(const std::optional<std::int64_t>& bytes) {
  return bytes ? bytes_text(static_cast<std::uint64_t>(std::max<std::int64_t>(*bytes, 0))) : "-";
}

// Both ends, with enough digits to differ from each other and from zero: "0.52 % to 0.58 %".
std::string range_text(double low, double high) {
  int digits = 1;
  const auto at = [&](double percent) { return fmt::format("{:.{}f}", percent, digits); };
  while (digits < 4 && (at(low) == at(high) || at(low) == at(0))) ++digits;
  return fmt::format("{} % to {} %", at(low), at(high));
}

std::string tps_text(double tps) { return fmt::format("{:.{}f} t/s", tps, tps < 100 ? 2 : 0); }

}  // namespace

Json to_json(const BenchResult& result, const Provenance& provenance) {
  auto json = json_file("bench", result.model, provenance);
  json["threads"] = result.threads;
  json["prompt_tokens"] = result.prompt_tokens;
  json["decode_tokens"] = result.decode_tokens;
  json["repetitions"] = result.repetitions;
  json["baseline"] = {{"prompt_tps", result.prompt_tps},
                      {"decode_tps", result.decode_tps},
                      {"load_ms", result.load_ms},
                      {"rss_added", or_null(result.rss_added)}};
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) {
    Json entry;
    entry["name"] = variant.name;
    entry["recipe"] = variant.recipe;
    entry["prompt"] = speed_json(variant.prompt);
    entry["decode"] = speed_json(variant.decode);
    entry["load_ms"] = or_null(variant.load_ms);
    entry["rss_added"] = or_null(variant.rss_added);
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

Table memory_table(const BenchResult& result) {
  Table table({"<", "model loaded in", "memory added"});
  table.add_row({"baseline", load_text(result.load_ms), memory_text(result.rss_added)});
  for (const auto& variant : result.variants) {
    table.add_row({variant.name, load_text(variant.load_ms), memory_text(variant.rss_added)});
  }
  return table;
}

std::string verdict(const Speed& speed) {
  const double low = (speed.ratio_low - 1) * 100, high = (speed.ratio_high - 1) * 100;
  if (low > 0) return "costs " + range_text(low, high);
  if (high < 0) return "is faster by " + range_text(-high, -low);
  constexpr double kMaxUseful = 100;
  if (high > kMaxUseful) return "the runs differ too much to tell: the machine is busy";
  return fmt::format("not told apart from zero; a cost above {:.1f} % is ruled out", std::ceil(high * 10) / 10);
}

std::string verdicts(const BenchVariant& variant) {
  return fmt::format("{}: prompt: {}; decode: {}", variant.name, verdict(variant.prompt), verdict(variant.decode));
}

std::string to_text(const BenchResult& result) {
  auto text = fmt::format("{}: {}, {} prompt and {} decode tokens, {} rounds\n\n{}\n", result.model,
                          plural(result.threads, "thread"), result.prompt_tokens, result.decode_tokens,
                          result.repetitions, speed_table(result).to_text());
  for (const auto& variant : result.variants) text += verdicts(variant) + " (95 % confidence).\n";
  if (!result.variants.empty()) text += "\n";
  return text + memory_table(result).to_text() +
         fmt::format("\nThe process held {} at its peak.\n", bytes_text(result.peak_rss));
}

}  // namespace fakequant
