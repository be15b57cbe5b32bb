#include "format/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "error.h"

namespace fakequant {
namespace {

Rounding parse_rounding(std::string_view text) {
  if (text == "nearest") return Rounding::nearest;
  if (text == "zero") return Rounding::zero;
  throw usage_error(fmt::format("unknown rounding '{}': round= takes nearest or zero", text));
}

}  // namespace

std::vector<std::string> format_names() { return {"bf16"}; }

Format make_format(std::string_view name, const std::vector<FormatOption>& options) {
  const auto names = format_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw usage_error(fmt::format("unknown format '{}': the formats are {}", name, fmt::join(names, " ")));
  }
  Format format;
  format.name = name;
  std::vector<std::string_view> seen;
  for (const auto& [key, value] : options) {
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      throw usage_error(fmt::format("option '{}' of format {} is given twice: keep one", key, name));
    }
    seen.push_back(key);
    if (key != "round") {
      throw usage_error(
          fmt::format("unknown option '{}' of format {}: it takes round=nearest or round=zero", key, name));
    }
    format.rounding = parse_rounding(value);
  }
  return format;
}

Format parse_format(std::string_view text) {
  const auto cut = [&text] {
    const auto comma = text.find(',');
    const auto piece = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    return piece;
  };
  const bool ends_in_comma = text.ends_with(',');
  const auto name = cut();
  std::vector<FormatOption> options;
  while (!text.empty()) {
    const auto piece = cut();
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) {
      throw usage_error(
          fmt::format("'{}' after format {} is no option: write KEY=VALUE, such as round=zero", piece, name));
    }
    options.push_back({std::string(piece.substr(0, equals)), std::string(piece.substr(equals + 1))});
  }
  if (ends_in_comma)
    throw usage_error(fmt::format("nothing follows the last comma after format {}: leave it out", name));
  return make_format(name, options);
}

std::string to_string(Rounding rounding) {
  switch (rounding) {
    case Rounding::nearest:
      return "nearest";
    case Rounding::zero:
      return "zero";
  }
  return {};
}

std::string to_string(const Format& format) {
  if (format.rounding == Rounding::nearest) return format.name;
  return format.name + ",round=" + to_string(format.rounding);
}

}  // namespace fakequant
