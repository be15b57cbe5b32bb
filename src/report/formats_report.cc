#include "report/formats_report.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "format/format_properties.h"
#include "report/numbers.h"
#include "report/table.h"

namespace fakequant {
namespace {

// Short; powers of two far from 1 are written as such.
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  int exponent = 0;
  if (std::fabs(std::frexp(value, &exponent)) == 0.5 && std::abs(exponent) > 7) {
    return fmt::format("{}2^{}", value < 0 ? "-" : "", exponent - 1);
  }
  return fmt::format("{}", static_cast<float>(value));  // the shortest text that identifies the float
}

template <typename Number>
std::string optional_text(const std::optional<Number>& value) {
  return value ? number_text(static_cast<double>(*value)) : "";
}

template <typename Number>
Json optional_json(const std::optional<Number>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// True where the float32 that is rounded is another number than was given: its shortest text says another, too, unlike
// that of 0.3, which is the nearest float32 to 0.3.
bool is_another_float32(const FormatExample& example) {
  if (std::isnan(example.given)) return false;
  return std::stod(fmt::format("{}", static_cast<float>(example.value))) != example.given;
}

}  // namespace

std::string to_text(const std::vector<FormatFacts>& formats) {
  if (formats.size() == 1) {
    const auto& facts = formats.front();
    std::string text = fmt::format("{}: {} bits a value; {}\n", facts.name, facts.bits, facts.codes);
    const auto line = [&](const char* what, const std::string& value) {
      if (!value.empty()) text += fmt::format("  {:<20} {}\n", what, value);
    };
    line("largest", optional_text(facts.largest));
    line("smallest normal", optional_text(facts.smallest_normal));
    line("smallest above 0", optional_text(facts.smallest_subnormal));
    line("steps from 1 to 2", facts.steps ? count_text(*facts.steps) : "");
    line("special values", facts.specials);
    line("scale", facts.scale);
    line("rotation", facts.rotation);
    line("source", facts.source);
    return text;
  }
  Table table(
      {"format<", "bits", "largest", "smallest normal", "smallest", "steps 1-2", "specials<", "scale of<", "source<"});
  for (const auto& facts : formats) {
    table.add_row({facts.name, fmt::format("{:.4g}", facts.bits), optional_text(facts.largest),
                   optional_text(facts.smallest_normal), optional_text(facts.smallest_subnormal),
                   facts.steps ? count_text(*facts.steps) : "", facts.specials, facts.scale, facts.source});
  }
  return table.to_text() +
         "\nAny eXmY (X 2-8, Y 1-10), mantissaN (N 0-23) and intN (N 2-16) is a format too. Largest and smallest are "
         "in\n"
         "units of the scale.\n";
}

std::string examples_text(const Format& format, const std::vector<FormatExample>& examples) {
  const bool shows_codes = has_codes(format), shows_scale = shows_codes && has_scale(format);
  std::vector<std::string> headers = {"value", "becomes", "error"};
  if (shows_codes) headers.insert(headers.end(), {"code", "below", "above"});
  if (shows_scale) headers.emplace_back("scale");
  Table table(headers);
  for (const auto& example : examples) {
    const double difference = example.rounded == example.value ? 0 : example.rounded - example.value;
    const auto error = std::isnan(difference) ? "NaN" : fmt::format("{:.6g}", difference);
    std::vector<std::string> row = {number_text(example.value), number_text(example.rounded), error};
    if (shows_codes) {
      const auto code = example.code ? code_text(format, *example.code) : "none";
      row.insert(row.end(), {code, optional_text(example.below), optional_text(example.above)});
    }
    if (shows_scale) row.push_back(optional_text(example.scale));
    table.add_row(std::move(row));
  }
  auto text = fmt::format("{}\n", to_string(format)) + table.to_text();
  for (const auto& example : examples) {
    if (!is_another_float32(example)) continue;
    text += fmt::format("{} is first a float32, {}, as every value of a model is: that is what is rounded.\n",
                        example.given, static_cast<float>(example.value));
  }
  return text;
}

Json formats_json(const std::vector<FormatFacts>& formats, const std::vector<FormatExample>& examples,
                  const Provenance& provenance) {
  auto json = json_file("formats", "", provenance);
  json["model"] = nullptr;
  json["formats"] = Json::array();
  for (const auto& facts : formats) {
    Json entry;
    entry["name"] = facts.name;
    entry["bits"] = facts.bits;
    entry["codes"] = facts.codes;
    entry["largest"] = optional_json(facts.largest);
    entry["smallest_normal"] = optional_json(facts.smallest_normal);
    entry["smallest_subnormal"] = optional_json(facts.smallest_subnormal);
    entry["steps"] = optional_json(facts.steps);
    entry["specials"] = facts.specials;
    entry["scale"] = facts.scale;
    entry["rotation"] = facts.rotation;
    entry["source"] = facts.source;
    json["formats"].push_back(std::move(entry));
  }
  if (examples.empty()) return json;
  json["examples"] = Json::array();
  for (const auto& example : examples) {
    Json entry;
    entry["given"] = example.given;
    entry["value"] = example.value;
    entry["rounded_as_float32"] = is_another_float32(example);
    entry["rounded"] = example.rounded;
    entry["error"] = example.rounded - example.value;
    entry["code"] = optional_json(example.code);
    entry["below"] = optional_json(example.below);
    entry["above"] = optional_json(example.above);
    entry["scale"] = optional_json(example.scale);
    json["examples"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace fakequant
