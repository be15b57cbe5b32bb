#include "report/condition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "error.h"
#include "number_of_text.h"
#include "report/numbers.h"

namespace fakequant {
namespace {

constexpr std::array<std::string_view, 6> kComparisons = {">", ">=", "<", "<=", "==", "!="};

bool holds(double value, const Condition& condition) {
  const auto& c = condition.comparison;
  if (std::isnan(value)) return true;
  if (c == ">") return value > condition.limit;
  if (c == ">=") return value >= condition.limit;
  if (c == "<") return value < condition.limit;
  if (c == "<=") return value <= condition.limit;
  if (c == "==") return value == condition.limit;
  return value != condition.limit;
}

// Without blanks at both ends.
std::string trimmed(const std::string& text) {
  constexpr auto blanks = " \t\n";
  const auto begin = text.find_first_not_of(blanks);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// The number or the list's length at a field, in which dots lead into objects.
std::optional<double> value_of(const Json& object, const std::string& field) {
  const Json* at = &object;
  for (std::size_t begin = 0; begin <= field.size();) {
    const auto end = std::min(field.find('.', begin), field.size());
    const auto name = field.substr(begin, end - begin);
    if (!at->is_object() || !at->contains(name)) return std::nullopt;
    at = &(*at)[name];
    begin = end + 1;
  }
  if (at->is_array()) return static_cast<double>(at->size());
  if (at->is_boolean()) return at->get<bool>() ? 1 : 0;
  if (at->is_number()) return at->get<double>();
  return std::nullopt;
}

// Whether an entry is a variant without figures. Every condition on these holds: it is a bad model, and not a broken
// run.
bool has_overflowed(const Json& entry) {
  return entry.is_object() && entry.contains("overflow") && !entry["overflow"].is_null();
}

// The name of an entry of a list.
std::string name_of(const Json& entry) {
  for (const auto* field : {"name", "node"}) {
    if (entry.contains(field) && entry[field].is_string()) return entry[field];
  }
  return entry.contains("layer") ? "layer " + entry["layer"].dump() : "";
}

}  // namespace

Condition parse_condition(const std::string& text, const std::vector<std::string>& fields) {
  // The name of an entry may have comparisons and colons in it, as a rule has. The last of them are the condition's.
  constexpr auto kSigns = "<>=!";
  const auto end = std::min(text.find_last_of(kSigns) + 1, text.size());
  const auto before = end == 0 ? std::string::npos : text.find_last_not_of(kSigns, end - 1);
  const auto begin = end == 0 ? text.size() : before == std::string::npos ? 0 : before + 1;
  const auto left = text.substr(0, begin);
  const auto colon = left.rfind(':');
  const auto entry = colon == std::string::npos ? "" : trimmed(left.substr(0, colon));
  const auto field = trimmed(colon == std::string::npos ? left : left.substr(colon + 1));
  Condition condition{text, entry, field, end == 0 ? "" : text.substr(begin, end - begin), 0};
  const auto number = trimmed(end == 0 ? "" : text.substr(end));
  const auto limit = number_of_text<double>(number);
  const bool is_known = std::find(kComparisons.begin(), kComparisons.end(), condition.comparison) != kComparisons.end();
  const bool is_number = limit && std::isfinite(*limit);
  const bool is_field = !field.empty() && field.find_first_of(kSigns) == std::string::npos;
  if (!is_field || (colon != std::string::npos && entry.empty()) || !is_known || !is_number) {
    throw usage_error(fmt::format("'{}' is not a condition: write FIELD>NUMBER, such as {}>0.01 (or {})", text,
                                  fields.front(), fmt::join(kComparisons, " ")));
  }
  condition.limit = *limit;
  if (std::find(fields.begin(), fields.end(), condition.field) == fields.end()) {
    throw usage_error(
        fmt::format("'{}': there is no field {} here: take one of {}", text, condition.field, fmt::join(fields, ", ")));
  }
  return condition;
}

std::optional<std::string> find_condition(const Condition& condition, const Json& result) {
  if (const auto value = value_of(result, condition.field); value && condition.entry.empty()) {
    if (!holds(*value, condition)) return std::nullopt;
    return fmt::format("'{}': {} is {}", condition.text, condition.field, *value);
  }
  std::int64_t found = 0, all = 0;
  std::string worst;
  double worst_value = 0;
  const bool is_worse_above = condition.comparison.starts_with('>') || condition.comparison == "!=";
  const auto judge = [&](const Json& entry) {
    if (!condition.entry.empty() && name_of(entry) != condition.entry) return;
    auto value = value_of(entry, condition.field);
    if (!value && has_overflowed(entry)) value = std::numeric_limits<double>::quiet_NaN();
    all += value.has_value();
    if (!value || !holds(*value, condition)) return;
    if (++found == 1 || (is_worse_above ? *value > worst_value : *value < worst_value)) {
      worst = name_of(entry);
      worst_value = *value;
    }
  };
  for (const auto& list : result) {
    if (!list.is_array()) continue;
    for (const auto& entry : list) {
      judge(entry);
      // A prompt that variants continued; bench's variants have the speed of a prompt instead.
      if (!entry.is_object() || !entry.contains("prompt") || !entry.contains("variants")) continue;
      for (const auto& variant : entry["variants"]) judge(variant);
    }
  }
  if (all == 0) {
    return fmt::format("'{}': no result {}has this field", condition.text,
                       condition.entry.empty() ? "" : fmt::format("of {} ", condition.entry));
  }
  if (found == 0) return std::nullopt;
  return fmt::format("'{}' holds for {} of {}: the worst is {}, with {}", condition.text, count_text(found),
                     count_text(all), worst, worst_value);
}

}  // namespace fakequant
