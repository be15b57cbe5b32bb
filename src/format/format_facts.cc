#include "format/format_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "format/block_kernel.h"
#include "format/fake_quantize.h"
#include "format/integer_kernel.h"
#include "format/reference.h"

namespace fakequant {
namespace {

std::string specials_of(const Element& element) {
  std::string text;
  const auto add = [&](bool has, const char* what) {
    text += has ? (text.empty() ? "" : " ") + std::string(what) : "";
  };
  add(element.has_infinity, "inf");
  add(element.has_nan, "NaN");
  add(element.has_negative_zero, "-0");
  return text;
}

void add_element(FormatFacts& facts, const Element& element) {
  facts.largest = element.largest;
  facts.smallest_normal = element.smallest_normal();
  facts.smallest_subnormal = element.smallest_subnormal();
  facts.steps = std::int64_t{1} << element.mantissa_bits;
  facts.codes = fmt::format("1 sign, {} exponent, {} mantissa", element.exponent_bits, element.mantissa_bits);
  facts.specials = specials_of(element);
  facts.source = element.source;
  if (element.exponent_bits > 0) return;
  const double step = element.smallest_subnormal();  // the same everywhere
  facts.smallest_normal.reset();
  facts.smallest_subnormal = step;
  facts.steps = static_cast<std::int64_t>(1 / step);
  facts.codes = fmt::format("{0} .. {1}, in steps of {2}", -element.largest / step, element.largest / step, step);
}

std::string span_of(const Format& format) {
  switch (format.per.value_or(Span::row)) {
    case Span::tensor:
      return "tensor";
    case Span::token:
      return "token";
    case Span::block:
      return fmt::format("{} values", format.block);
    case Span::row:
      break;
  }
  return format.per ? "row" : "row or token";
}

// What a value shares with its group.
struct ExampleScale {
  double scale = 1;
  IntegerScale integer;
};

ExampleScale scale_of_group(const Format& format, std::span<const float> group, float outer) {
  const auto absmax = range_of(group).absmax();
  switch (format.family) {
    case Family::mx: {
      const bool infinite = std::any_of(group.begin(), group.end(), [](float x) { return std::isinf(x); });
      if (absmax == 0 && !infinite) return {};
      const float largest = infinite ? std::numeric_limits<float>::infinity() : absmax;
      return {power_of_two(mx_shared_exponent(largest, format.element, format.scale_rounding)), {}};
    }
    case Family::nvfp4:
      return {nvfp4_scale(absmax, outer), {}};
    case Family::integer: {
      const auto scale = scale_of(format, group).integer;
      return {scale.scale, scale};
    }
    default:
      return {};
  }
}

// For each value of a row.
std::vector<ExampleScale> scales_of_row(const Format& format, std::span<const float> row) {
  std::size_t block = row.size();
  if (format.family == Family::mx) block = kMxBlock;
  if (format.family == Family::nvfp4) block = kNvfp4Block;
  if (format.per == Span::block) block = static_cast<std::size_t>(format.block);
  const float outer = format.family == Family::nvfp4 ? scale_of(format, row).outer : 0;
  std::vector<ExampleScale> scales;
  for (std::size_t begin = 0; begin < row.size(); begin += block) {
    const auto group = row.subspan(begin, std::min(block, row.size() - begin));
    scales.insert(scales.end(), group.size(), scale_of_group(format, group, outer));
  }
  return scales;
}

std::optional<std::int64_t> code_of(const Format& format, double rounded, const ExampleScale& scale) {
  if (format.family == Family::integer) {
    if (std::isnan(rounded)) return std::nullopt;
    const double code = scale.scale == 0 ? 0 : rounded / scale.scale;
    return std::llround(code + (format.asymmetric ? -scale.integer.low : 0));
  }
  double unscaled = scale.scale == 0 || rounded == 0 || std::isnan(rounded) ? rounded : rounded / scale.scale;
  // A scaled element that lies beyond float32 came out infinite: in the block it is the largest.
  const bool saturates = format.family != Family::element && std::isinf(unscaled);
  if (saturates) unscaled = std::copysign(format.element.largest, unscaled);
  const auto code = encode(format.element, unscaled);
  return code ? std::optional<std::int64_t>(*code) : std::nullopt;
}

}  // namespace

FormatFacts facts_of(const Format& format) {
  FormatFacts facts;
  facts.name = format.name;
  switch (format.family) {
    case Family::element:
      add_element(facts, format.element);
      facts.bits = format.element.bits();
      break;
    case Family::mx:
      add_element(facts, format.element);
      facts.bits = format.element.bits() + 8.0 / kMxBlock;
      facts.scale = "32 values: E8M0";
      facts.source = "OCP MX v1.0";
      break;
    case Family::nvfp4:
      add_element(facts, format.element);
      facts.bits = format.element.bits() + 8.0 / kNvfp4Block;
      facts.scale = "16 values: E4M3; all: float32";
      facts.source = "NVIDIA, Introducing NVFP4 (2025)";
      break;
    case Family::integer: {
      const int top = (1 << (format.bits - 1)) - 1;
      facts.bits = format.bits;
      facts.codes = format.asymmetric ? fmt::format("0 .. {}, zero point", (1 << format.bits) - 1)
                                      : fmt::format("-{0} .. {0}", top);
      facts.largest = format.asymmetric ? (1 << format.bits) - 1 : top;
      facts.smallest_subnormal = 1;
      facts.scale = span_of(format) + ": float32";
      facts.source = "scale x integer";
      break;
    }
    case Family::ggml: {
      const auto& type = ggml_type_of_format(format);
      facts.bits = 8.0 * static_cast<double>(type.bytes) / static_cast<double>(type.block);
      facts.codes = "ggml's own";
      if (type.block > 1) facts.scale = fmt::format("{} values: ggml's own", type.block);
      facts.source = type.needs_importance ? "ggml's code; needs imatrix=" : "ggml's code";
      break;
    }
  }
  return facts;
}

std::vector<FormatFacts> all_format_facts() {
  std::vector<FormatFacts> all;
  for (const auto& name : format_names()) {
    const bool is_integer = name.starts_with("int2..");
    if (name == "eXmY" || name == "mantissaN") {
      for (const char* member : {"e5m10", "e8m3", "mantissa7", "mantissa10"}) {
        if (*member == name[0]) all.push_back(facts_of(parse_format(member)));
      }
    } else if (is_integer) {
      for (const char* member : {"int2", "int3", "int4", "int8", "int16"})
        all.push_back(facts_of(parse_format(member)));
    } else {
      all.push_back(facts_of(parse_format(name)));
    }
  }
  return all;
}

std::vector<FormatExample> examples_of(const Format& format, const std::vector<double>& values) {
  std::vector<float> row;
  for (const double value : values) row.push_back(static_cast<float>(value));
  std::vector<float> below, above;
  const bool is_ggml = format.family == Family::ggml;
  if (is_ggml) {
    const auto block = static_cast<std::size_t>(ggml_type_of_format(format).block);
    row.resize((row.size() + block - 1) / block * block);
  }
  const auto rounded_by = [&](std::optional<Rounding> rounding) {
    auto directed = format;
    if (rounding) directed.rounding = *rounding;
    auto copy = row;
    round_values(directed, copy, {.random = {random_key(format.seed, format.name), 0}});
    return copy;
  };
  const auto rounded = rounded_by({});
  if (!is_ggml && format.family != Family::integer) {
    below = rounded_by(Rounding::down);
    above = rounded_by(Rounding::up);
  }
  const auto scales = is_ggml ? std::vector<ExampleScale>() : scales_of_row(format, row);
  if (format.family == Family::integer) {  // not by rounding the row again: a search would find another scale
    for (std::size_t i = 0; i < row.size(); ++i) {
      below.push_back(round_to_integer(scales[i].integer, Rounding::down, row[i]).value);
      above.push_back(round_to_integer(scales[i].integer, Rounding::up, row[i]).value);
    }
  }
  std::vector<FormatExample> examples;
  for (std::size_t i = 0; i < values.size(); ++i) {
    FormatExample example;
    example.value = row[i];
    example.rounded = rounded[i];
    if (!is_ggml) {
      example.code = code_of(format, rounded[i], scales[i]);
      if (format.family != Family::element) example.scale = scales[i].scale;
      example.below = below[i];
      example.above = above[i];
    }
    examples.push_back(example);
  }
  return examples;
}

}  // namespace fakequant
