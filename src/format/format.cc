#include "format/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "error.h"
#include "format/ggml_types.h"

namespace fakequant {
namespace {

constexpr std::string_view kGgmlPrefix = "ggml:";

struct MxFormat {
  const char* name;
  const char* element;  // empty for the one that is no float
};
constexpr MxFormat kMxFormats[] = {{"mxfp8", "e4m3"},     {"mxfp8e5m2", "e5m2"}, {"mxfp6", "e3m2"},
                                   {"mxfp6e2m3", "e2m3"}, {"mxfp4", "e2m1"},     {"mxint8", ""}};

template <typename Value>
struct Word {
  const char* word;
  Value value;
};
constexpr Word<Span> kSpans[] = {
    {"tensor", Span::tensor}, {"token", Span::token}, {"row", Span::row}, {"block", Span::block}};
constexpr Word<bool> kModes[] = {{"sym", false}, {"asym", true}};
constexpr Word<bool> kOverflows[] = {{"infinity", false}, {"saturate", true}};
constexpr Word<ScaleRounding> kScaleRoundings[] = {
    {"floor", ScaleRounding::floor}, {"ceil", ScaleRounding::ceil}, {"nearest", ScaleRounding::nearest}};

template <typename Value, std::size_t count>
Value value_of(const Word<Value> (&words)[count], const FormatOption& option) {
  std::string allowed;
  for (std::size_t i = 0; i < count; ++i) {
    if (option.value == words[i].word) return words[i].value;
    allowed += fmt::format("{}{}", i == 0 ? "" : (i + 1 == count ? " or " : ", "), words[i].word);
  }
  throw usage_error(fmt::format("unknown {}={}: {}= takes {}", option.key, option.value, option.key, allowed));
}

template <typename Value, std::size_t count>
std::string word_of(const Word<Value> (&words)[count], Value value) {
  return std::find_if(std::begin(words), std::end(words), [&](const auto& word) { return word.value == value; })->word;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, number);
  if (fault != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// The name of a file that an option names, given as OPTION=VALUE.
std::string file_of_option(std::string_view option, std::string_view value, std::string_view file) {
  if (file.empty())
    throw usage_error(fmt::format("{}={} names no file: write {}={}FILE", option, value, option, value));
  if (file.find('\'') != std::string_view::npos) {
    throw usage_error(fmt::format("{}={} has a quote in it, which no rule can hold: rename the file", option, value));
  }
  return std::string(file);
}

bool takes_overflow(const Format& format) { return format.family == Family::element && format.element.has_infinity; }

// The keys that go with a format, in the order in which they are printed.
std::vector<std::string> keys_of(const Format& format) {
  switch (format.family) {
    case Family::element:
      if (takes_overflow(format)) return {"round", "seed", "overflow"};
      return {"round", "seed"};
    case Family::integer:
      return {"per", "block", "mode", "range", "round", "seed"};
    case Family::mx:
      return {"scale", "round", "seed"};
    case Family::nvfp4:
      return {"range", "round", "seed"};
    case Family::ggml:
      return {"imatrix"};
  }
  return {};
}

void set_option(Format& format, const FormatOption& option) {
  const auto& [key, value] = option;
  if (key == "round") {
    const auto rounding = rounding_of(value);
    if (!rounding) throw usage_error(fmt::format("unknown round={}: round= takes {}", value, rounding_names()));
    format.rounding = *rounding;
  } else if (key == "seed") {
    const auto seed = number_of<std::uint64_t>(value);
    if (!seed) throw usage_error(fmt::format("bad seed={}: seed= takes a whole number from 0 to 2^64 - 1", value));
    format.seed = *seed;
  } else if (key == "overflow") {
    format.saturate = value_of(kOverflows, option);
  } else if (key == "per") {
    format.per = value_of(kSpans, option);
  } else if (key == "block") {
    const auto block = number_of<std::int64_t>(value);
    if (!block || *block < 1) throw usage_error(fmt::format("bad block={}: block= takes a whole number from 1", value));
    format.block = *block;
  } else if (key == "mode") {
    format.asymmetric = value_of(kModes, option);
  } else if (key == "range") {
    format.range = parse_range(value);
    const bool searched = format.range.kind == RangeRule::percentile || format.range.kind == RangeRule::mse;
    if (format.family == Family::nvfp4 && searched) {
      throw usage_error(fmt::format("nvfp4 has no range={}: its outer scale takes range=absmax or static:FILE", value));
    }
  } else if (key == "scale") {
    format.scale_rounding = value_of(kScaleRoundings, option);
  } else {
    format.importance_file = file_of_option(key, value, value);
  }
}

// The format of this name with all options at their default.
std::optional<Format> named_format(std::string_view name) {
  Format format;
  format.name = name;
  if (auto element = element_of(name)) {
    format.element = *std::move(element);
    return format;
  }
  format.element = {};
  constexpr std::string_view kInteger = "int";
  if (name.starts_with(kInteger)) {
    if (const auto bits = number_of<int>(name.substr(kInteger.size()))) {
      if (*bits < 2 || *bits > 16) {
        throw usage_error(fmt::format("format {} is out of range: integers have 2 to 16 bits", name));
      }
      format.family = Family::integer;
      format.bits = *bits;
      return format;
    }
  }
  for (const auto& mx : kMxFormats) {
    if (name != mx.name) continue;
    format.family = Family::mx;
    format.element = *mx.element == '\0' ? mxint8_element() : *element_of(mx.element);
    return format;
  }
  if (name == "nvfp4") {
    format.family = Family::nvfp4;
    format.element = *element_of("e2m1");
    return format;
  }
  const bool prefixed = name.starts_with(kGgmlPrefix);
  if (ggml_type_of(prefixed ? name.substr(kGgmlPrefix.size()) : name) != nullptr) {
    format.family = Family::ggml;
    return format;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const auto& element : named_elements()) names.push_back(element.name);
  names.insert(names.end(), {"eXmY", "mantissaN", "int2..int16"});
  for (const auto& mx : kMxFormats) names.emplace_back(mx.name);
  names.emplace_back("nvfp4");
  for (const auto& type : ggml_types()) {
    const bool is_taken = std::find(names.begin(), names.end(), type.name) != names.end();
    names.push_back(is_taken ? fmt::format("{}{}", kGgmlPrefix, type.name) : type.name);
  }
  return names;
}

Format make_format(std::string_view name, const std::vector<FormatOption>& options) {
  auto found = named_format(name);
  if (!found) {
    throw usage_error(fmt::format("unknown format '{}': the formats are {}", name, fmt::join(format_names(), " ")));
  }
  auto& format = *found;
  const auto keys = keys_of(format);
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
  if (has("seed") && format.rounding != Rounding::stochastic) {
    throw usage_error("seed= is for random numbers: it goes with round=stochastic");
  }
  if (has("block") && format.per != Span::block) throw usage_error("block= says how long blocks are: add per=block");
  if (format.family == Family::integer && format.range.kind == RangeRule::static_range) {
    if (format.per && format.per != Span::tensor) {
      throw usage_error(
          fmt::format("per={} does not go with range=static: the file has one range for all values of a site, which is "
                      "per=tensor: leave per= out",
                      word_of(kSpans, *format.per)));
    }
    format.per = Span::tensor;
  }
  return format;
}

Format parse_format(std::string_view text) {
  // Up to the next comma that stands outside of '...'.
  const auto cut = [&text] {
    std::size_t end = 0;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != ','); ++end) quoted ^= text[end] == '\'';
    const auto piece = text.substr(0, end);
    text = end == text.size() ? std::string_view{} : text.substr(end + 1);
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
  const Format plain;
  std::vector<FormatOption> options;
  const bool is_static = format.range.kind == RangeRule::static_range;
  if (format.per && !is_static) options.push_back({"per", word_of(kSpans, *format.per)});
  if (format.per == Span::block && format.block != plain.block) {
    options.push_back({"block", std::to_string(format.block)});
  }
  if (format.asymmetric) options.push_back({"mode", word_of(kModes, true)});
  if (format.range != plain.range) options.push_back({"range", to_string(format.range)});
  if (format.scale_rounding != plain.scale_rounding) {
    options.push_back({"scale", word_of(kScaleRoundings, format.scale_rounding)});
  }
  if (format.saturate) options.push_back({"overflow", word_of(kOverflows, true)});
  if (format.rounding != plain.rounding) options.push_back({"round", to_string(format.rounding)});
  if (format.seed != plain.seed) options.push_back({"seed", std::to_string(format.seed)});
  if (!format.importance_file.empty()) options.push_back({"imatrix", format.importance_file});
  return options;
}

std::string to_string(const Format& format) {
  std::string text = format.name;
  for (const auto& [key, value] : options_of(format)) {
    const bool quoted = value.find(',') != std::string::npos;
    text += quoted ? fmt::format(",{}='{}'", key, value) : fmt::format(",{}={}", key, value);
  }
  return text;
}

RangeRule parse_range(std::string_view text) {
  constexpr std::string_view kPercentile = "percentile:", kStatic = "static:";
  if (text == "absmax") return {};
  if (text == "mse") return {RangeRule::mse, 100};
  if (text.starts_with(kPercentile)) {
    const auto percent = number_of<double>(text.substr(kPercentile.size()));
    if (percent && *percent > 0 && *percent <= 100) return {RangeRule::percentile, *percent};
  }
  if (text.starts_with(kStatic)) {
    return {RangeRule::static_range, 100, file_of_option("range", text, text.substr(kStatic.size()))};
  }
  throw usage_error(fmt::format(
      "unknown range={}: range= takes absmax, mse, percentile:P with P above 0 and at most 100, or static:FILE", text));
}

std::string to_string(const RangeRule& range) {
  switch (range.kind) {
    case RangeRule::percentile:
      return fmt::format("percentile:{}", range.percent);
    case RangeRule::mse:
      return "mse";
    case RangeRule::static_range:
      return "static:" + range.file;
    case RangeRule::absmax:
      break;
  }
  return "absmax";
}

const GgmlType& ggml_type_of_format(const Format& format) {
  const std::string_view name = format.name;
  return *ggml_type_of(name.starts_with(kGgmlPrefix) ? name.substr(kGgmlPrefix.size()) : name);
}

}  // namespace fakequant
