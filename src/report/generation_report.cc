#include "report/generation_report.h"

#include <fmt/format.h>

#include "report/numbers.h"

namespace fakequant {
namespace {

std::string indented(const std::string& text) {
  std::string result = "    ";
  for (const char c : text) {
    result += c;
    if (c == '\n') result += "    ";
  }
  return result + "\n";
}

}  // namespace

Json to_json(const GenerationResult& result, const Provenance& provenance) {
  auto json = json_file("generate", result.model, provenance);
  json["threads"] = result.threads;
  json["ctx_size"] = result.ctx_size;
  json["max_tokens"] = result.max_tokens;
  json["temperature"] = result.temperature;
  json["seed"] = result.seed;
  json["prompts"] = Json::array();
  for (const auto& prompt : result.prompts) {
    Json entry;
    entry["prompt"] = prompt.prompt;
    entry["baseline"] = prompt.baseline;
    entry["variants"] = Json::array();
    for (const auto& variant : prompt.variants) {
      Json v;
      v["name"] = variant.name;
      v["recipe"] = variant.recipe;
      v["text"] = variant.text;
      v["identical"] = variant.identical;
      v["first_difference"] = variant.first_difference ? Json(*variant.first_difference) : Json(nullptr);
      v["agreement"] = variant.agreement;
      v["forced_agreement"] = variant.forced_agreement;
      entry["variants"].push_back(std::move(v));
    }
    json["prompts"].push_back(std::move(entry));
  }
  return json;
}

std::string verdict(const GenerationVariant& variant) {
  const auto forced = fmt::format("fed the baseline's text, its most likely token is the same at {} of the places",
                                  percent_text(variant.forced_agreement));
  if (variant.identical) return "identical; " + forced;
  return fmt::format("parts at token {}, counted from 0; {}", *variant.first_difference, forced);
}

std::string to_text(const GenerationResult& result) {
  std::string text;
  for (const auto& prompt : result.prompts) {
    text += fmt::format("Prompt\n{}  baseline\n{}", indented(prompt.prompt), indented(prompt.baseline));
    for (const auto& variant : prompt.variants) {
      text += fmt::format("  {}: {}\n", variant.name, verdict(variant));
      if (!variant.identical) text += indented(variant.text);
    }
    text += "\n";
  }
  text += result.temperature > 0 ? fmt::format("Sampled at temperature {}, seed {}.\n", result.temperature, result.seed)
                                 : "The most likely token was taken each time (--temp 0).\n";
  return text;
}

}  // namespace fakequant
