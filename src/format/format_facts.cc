#include "format/format_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "format/fake_quantize.h"
#include "format/format_names.h"
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
  if (const auto* codebook = element.codebook) {
    const auto& values = codebook->values;
    facts.codes = fmt::format("{} values, {} .. {}", values.size(), values.front(), values.back());
    facts.smallest_normal.reset();
    facts.steps.reset();
    facts.smallest_subnormal = std::numeric_limits<double>::infinity();
    for (const float value : values) {
      if (value != 0)
        facts.smallest_subnormal = std::min(*facts.smallest_subnormal, std::fabs(static_cast<double>(value)));
    }
    return;
  }
  if (!element.is_fixed_point()) return;
  const double step = element.smallest_subnormal();  // the same everywhere
  facts.smallest_normal.reset();
  facts.steps.reset();
  facts.codes = fmt::format("{0} .. {1}", -element.largest / step, element.largest / step);
  if (step == 1) return;
  facts.steps = static_cast<std::int64_t>(1 / step);
  facts.codes += fmt::format(", in steps of {}", step);
}

void add_block_type(FormatFacts& facts, const BlockType& type) {
  facts.bits = 8.0 * static_cast<double>(type.bytes) / static_cast<double>(type.block);
  facts.codes = type.library + "'s own";
  if (type.block > 1) facts.scale = fmt::format("{} values: {}", type.block, facts.codes);
}

std::string span_of(const Format& format) {
  switch (format.per.value_or(Span::row)) {
    case Span::tensor:
      return "tensor";
    case Span::token:
      return "token";
    case Span::block:
      return fmt::format("{} values", format.block);
    case Span::tile:
      return fmt::format("{} rows x {} columns", format.tile.rows, format.tile.columns);
    case Span::row:
      break;
  }
  return format.per ? "row" : "row or token";
}

std::string scales_of(const Format& format) {
  if (!has_scale(format)) return "";
  auto text = fmt::format("{}: {}", span_of(format), title_of(format.scale));
  if (const float least = least_of(format.scale); least > 0) text += fmt::format(" from {}", least);
  if (format.subblock == 1) text += ", or half of it for each of them";
  if (format.subblock > 1) text += fmt::format(", or half of it for each {} of them", format.subblock);
  if (format.margin > 0) text += fmt::format(", of {} x absmax", power_of_two(format.margin));
  if (format.outer_scale != ScaleType::none) text += fmt::format("; all: {}", title_of(Scale{format.outer_scale}));
  return text;
}

std::string rotation_of(const Rotation& rotation) {
  if (rotation.kind == Rotation::none) return "";
  const auto size = rotation.block == 0 ? std::string("as many values as the largest power of two that divides a row")
                                        : fmt::format("{} values", rotation.block);
  return fmt::format("{}Hadamard matrix of {}", rotation.kind == Rotation::random ? "random signs, then the " : "",
                     size);
}

// The scale that a value shares with its group.
struct ExampleScale {
  double scale = 1;
  IntegerScale integer = {};
  FloatScale floating = {};
};

ExampleScale of_float(const FloatScale& scale) { return {.scale = scale.scale, .floating = scale}; }

ExampleScale scale_of_group(const Format& format, std::span<const float> group, float outer) {
  if (!has_scale(format)) return {};
  if (format.outer_scale != ScaleType::none) return of_float(scale_of_block(format, outer, group, nullptr));
  const auto scale = scale_of(format, group);
  if (has_integer_scale(format)) return {scale.integer.scale, scale.integer};
  return of_float(scale.floating);
}

// The scale of each value of a row.
std::vector<ExampleScale> scales_of_row(const Format& format, std::span<const float> row) {
  const auto block = format.per == Span::block  ? static_cast<std::size_t>(format.block)
                     : format.per == Span::tile ? static_cast<std::size_t>(format.tile.columns)
                                                : row.size();
  const float outer = format.outer_scale != ScaleType::none ? scale_of(format, row).outer : 0;
  std::vector<ExampleScale> scales;
  for (std::size_t begin = 0; begin < row.size(); begin += block) {
    const auto group = row.subspan(begin, std::min(block, row.size() - begin));
    if (!is_microscaled(format)) {
      scales.insert(scales.end(), group.size(), scale_of_group(format, group, outer));
      continue;
    }
    for (const int exponent : mx_exponents(format, group)) scales.push_back({.scale = power_of_two(exponent)});
  }
  return scales;
}

std::optional<std::int64_t> code_of(const Format& format, double rounded, const ExampleScale& scale) {
  if (has_integer_scale(format)) {
    if (std::isnan(rounded)) return std::nullopt;
    const double code = scale.scale == 0 ? 0 : rounded / scale.scale;
    return std::llround(code + (format.asymmetric ? -scale.integer.low : 0));
  }
  double unscaled = scale.scale == 0 || rounded == 0 || std::isnan(rounded) ? rounded : rounded / scale.scale;
  // A scaled element beyond float32 became infinite: its code is that of the largest.
  const bool saturates = has_scale(format) && std::isinf(unscaled);
  if (saturates) unscaled = std::copysign(format.element.largest, unscaled);
  if (has_float_scale(format)) {  // the product with the scale was rounded to float32
    unscaled = round_reference(format.element, Rounding::nearest, true, static_cast<float>(unscaled)).value;
  }
  const auto code = encode(format.element, unscaled);
  return code ? std::optional<std::int64_t>(*code) : std::nullopt;
}

}  // namespace

FormatFacts facts_of(const Format& format) {
  FormatFacts facts;
  facts.name = format.name;
  facts.source = source_of(format);
  facts.rotation = rotation_of(format.rotation);
  if (format.block_type != nullptr) {
    add_block_type(facts, *format.block_type);
    return facts;
  }
  add_element(facts, format.element);
  facts.bits = format.element.bits();
  facts.scale = scales_of(format);
  // The scales of rows, tokens and tensors are not counted: how long those are, no format says.
  if (format.per == Span::block) {
    const int zero_point = format.asymmetric ? format.element.bits() : 0;
    facts.bits += static_cast<double>(bits_of(format.scale) + zero_point) / static_cast<double>(format.block);
  }
  if (format.subblock > 0) facts.bits += 1 / static_cast<double>(format.subblock);
  if (format.per == Span::tile) {
    const int zero_point = format.asymmetric ? format.element.bits() : 0;
    facts.bits += static_cast<double>(bits_of(format.scale) + zero_point) /
                  (static_cast<double>(format.tile.rows) * static_cast<double>(format.tile.columns));
  }
  if (format.codes != IntegerCodes::narrow) {
    const auto codes = integer_scale(format, {});
    facts.codes = fmt::format("{} .. {}", codes.low, codes.high);
  }
  if (format.asymmetric) {
    const int largest = (1 << format.element.bits()) - 1;
    facts.codes = fmt::format("0 .. {}, zero point", largest);
    facts.largest = largest;
  }
  return facts;
}

std::vector<FormatFacts> all_format_facts() {
  std::vector<FormatFacts> all;
  for (const auto& name : example_names()) all.push_back(facts_of(parse_format(name)));
  return all;
}

std::string code_text(const Format& format, std::int64_t code) {
  if (has_integer_scale(format)) return std::to_string(code);
  return fmt::format("0x{:0{}x}", code, (format.element.bits() + 3) / 4);
}

std::vector<FormatExample> examples_of(const Format& format, const std::vector<double>& values) {
  std::vector<float> row;
  for (const double value : values) row.push_back(static_cast<float>(value));
  std::vector<float> below, above;
  if (const auto* type = format.block_type) {
    const auto block = static_cast<std::size_t>(type->block);
    row.resize((row.size() + block - 1) / block * block);
  }
  if (is_rotated(format)) {
    const auto wanted = format.rotation.block == 0 ? std::bit_ceil(std::max<std::size_t>(row.size(), 2))
                                                   : static_cast<std::size_t>(format.rotation.block);
    row.resize((row.size() + wanted - 1) / wanted * wanted);
  }
  const auto rounded_by = [&](std::optional<Rounding> rounding) {
    auto directed = format;
    if (rounding) directed.rounding = *rounding;
    auto copy = row;
    round_values(directed, copy, {.random = {random_key(format.seed, format.name), 0}});
    return copy;
  };
  const auto rounded = rounded_by({});
  const auto scales = has_codes(format) ? scales_of_row(format, row) : std::vector<ExampleScale>();
  if (!has_codes(format)) {                // nor neighbours
  } else if (has_integer_scale(format)) {  // under the same scale: a search with another rounding could find another
    for (std::size_t i = 0; i < row.size(); ++i) {
      below.push_back(round_to_integer(scales[i].integer, Rounding::down, row[i]).value);
      above.push_back(round_to_integer(scales[i].integer, Rounding::up, row[i]).value);
    }
  } else if (has_float_scale(format)) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      below.push_back(round_to_scaled(format.element, scales[i].floating, Rounding::down, row[i]).value);
      above.push_back(round_to_scaled(format.element, scales[i].floating, Rounding::up, row[i]).value);
    }
  } else {
    below = rounded_by(Rounding::down);
    above = rounded_by(Rounding::up);
  }
  std::vector<FormatExample> examples;
  for (std::size_t i = 0; i < values.size(); ++i) {
    FormatExample example;
    example.given = values[i];
    example.value = row[i];
    example.rounded = rounded[i];
    if (has_codes(format)) {
      example.code = code_of(format, rounded[i], scales[i]);
      if (has_scale(format)) example.scale = scales[i].scale;
      example.below = below[i];
      example.above = above[i];
    }
    examples.push_back(example);
  }
  return examples;
}

}  // namespace fakequant
