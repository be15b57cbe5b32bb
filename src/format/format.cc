#include "format/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <utility>

#include "error.h"
#include "format/format_combinations.h"
#include "format/format_names.h"
#include "format/format_options.h"

namespace fakequant {

Format make_format(std::string_view name, const std::vector<FormatOption>& options) {
  auto found = named_format(name);
  if (!found) {
    throw usage_error(fmt::format("unknown format '{}': the formats are {}", name, fmt::join(format_names(), " ")));
  }
  auto& format = *found;
  const auto keys = option_keys(format);
  std::vector<std::string_view> seen;
  const auto has = [&](std::string_view key) { return std::find(seen.begin(), seen.end(), key) != seen.end(); };
  for (const auto& option : options) {
    if (has(option.key)) {
      throw usage_error(fmt::format("option '{}' of format {} is given twice: keep one", option.key, name));
    }
    seen.push_back(option.key);
    if (std::find(keys.begin(), keys.end(), option.key) == keys.end()) {
      throw usage_error(
          fmt::format("format {} has no option '{}': it takes {}=", name, option.key, fmt::join(keys, "=, ")));
    }
    set_option(format, option);
  }
  settle_parts(format, seen);
  return format;
}

std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (std::size_t begin = 0; begin <= text.size();) {
    auto end = begin;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != ','); ++end) quoted ^= text[end] == '\'';
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

Format parse_format(std::string_view text) {
  auto pieces = pieces_of(text);
  const bool ends_in_comma = pieces.size() > 1 && pieces.back().empty();
  if (ends_in_comma) pieces.pop_back();
  auto name = std::string(pieces.front());
  if (name.starts_with("lookup:'") && name.ends_with('\'') && name.size() > 8)
    name = "lookup:" + name.substr(8, name.size() - 9);
  std::vector<FormatOption> options;
  for (const auto piece : std::span(pieces).subspan(1)) {
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) {
      throw usage_error(
          fmt::format("'{}' after format {} is no option: write KEY=VALUE, such as round=zero", piece, name));
    }
    auto value = piece.substr(equals + 1);
    if (value.starts_with('\'')) {
      if (value.size() < 2 || value.find('\'', 1) != value.size() - 1) {
        throw usage_error(fmt::format("{} in format {} is not closed by a quote at its end", piece, name));
      }
      value = value.substr(1, value.size() - 2);
    }
    options.push_back({std::string(piece.substr(0, equals)), std::string(value)});
  }
  if (ends_in_comma)
    throw usage_error(fmt::format("nothing follows the last comma after format {}: leave it out", name));
  return make_format(name, options);
}

std::vector<FormatOption> options_of(const Format& format) {
  const auto plain = named_format(format.name);
  return plain ? changed_options(format, *plain) : std::vector<FormatOption>();
}

std::string to_string(const Format& format) {
  auto text = format.name;
  if (text.find(',') != std::string::npos) text = fmt::format("lookup:'{}'", text.substr(text.find(':') + 1));
  for (const auto& [key, value] : options_of(format)) {
    const bool quoted = value.find(',') != std::string::npos;
    text += quoted ? fmt::format(",{}='{}'", key, value) : fmt::format(",{}={}", key, value);
  }
  return text;
}

}  // namespace fakequant
