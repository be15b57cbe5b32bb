#include "recipe/accumulator.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kWidthKey = "acc", kEveryKey = "every";

// "int16", "int16:wrap"; none for another text, and for bits out of range.
std::optional<Accumulator> parse_integer(std::string_view text) {
  constexpr std::string_view kInteger = "int", kWrap = ":wrap";
  if (!text.starts_with(kInteger)) return std::nullopt;
  text.remove_prefix(kInteger.size());
  const bool wraps = text.ends_with(kWrap);
  if (wraps) text.remove_suffix(kWrap.size());
  const auto bits = number_of_text<std::int64_t>(text);
  if (!bits || *bits < 8 || *bits > 32) return std::nullopt;
  return IntegerAccumulator{static_cast<int>(*bits), wraps};
}

// "e8m13", or an integer; none for another text, and for bits out of range.
std::optional<Accumulator> parse_width(std::string_view text) {
  if (const auto integer = parse_integer(text)) return integer;
  const auto m = text.find('m');
  if (!text.starts_with('e') || m == std::string_view::npos) return std::nullopt;
  const auto exponent = number_of_text<std::int64_t>(text.substr(1, m - 1)),
             mantissa = number_of_text<std::int64_t>(text.substr(m + 1));
  if (!exponent || !mantissa || *exponent < 2 || *exponent > 8 || *mantissa < 1 || *mantissa > 22) return std::nullopt;
  return FloatAccumulator{static_cast<int>(*exponent), static_cast<int>(*mantissa), 1};
}

}  // namespace

bool is_accumulator_option(std::string_view key) { return key == kWidthKey || key == kEveryKey; }

std::optional<Accumulator> make_accumulator(const std::vector<FormatOption>& options) {
  std::optional<std::string> width, every;
  for (const auto& [key, value] : options) {
    auto& text = key == kWidthKey ? width : every;
    if (text) throw usage_error(fmt::format("{}= occurs twice", key));
    text = value;
  }
  if (!width) throw usage_error("every= is about an accumulator: give acc=eXmY as well, such as acc=e8m13");
  auto accumulator = parse_width(*width);
  if (!accumulator && *width != "f32") {
    throw usage_error(
        fmt::format("unknown acc={}: acc= takes f32, or eXmY with 2 to 8 exponent bits and 1 to 22 mantissa bits, such "
                    "as e5m10 or e8m13, or int8 to int32, which saturate, or wrap around as int16:wrap does",
                    *width));
  }
  if (!every) return accumulator;
  if (!accumulator) throw usage_error("acc=f32 has no every=: float32 sums are rounded after each product");
  const auto number = number_of_text<std::int64_t>(*every);
  if (!number || *number < 1) {
    throw usage_error(fmt::format("bad every={}: every= takes a whole number of products from 1", *every));
  }
  if (std::holds_alternative<IntegerAccumulator>(*accumulator) && *number < IntegerAccumulator::kLeastEvery) {
    throw usage_error(
        fmt::format("bad every={}: integers are summed {} or more at a time", *every, IntegerAccumulator::kLeastEvery));
  }
  std::visit([&](auto& of_kind) { of_kind.every = *number; }, *accumulator);
  return accumulator;
}

std::vector<FormatOption> options_of(const Accumulator& accumulator) {
  std::vector<FormatOption> options = {{std::string(kWidthKey), {}}};
  const auto add = [&](const std::string& width, std::int64_t every, bool is_default) {
    options.front().value = width;
    if (!is_default) options.push_back({std::string(kEveryKey), std::to_string(every)});
  };
  if (const auto* sum = std::get_if<FloatAccumulator>(&accumulator)) {
    add(fmt::format("e{}m{}", sum->exponent_bits, sum->mantissa_bits), sum->every, sum->every == 1);
  } else {
    const auto& integer = std::get<IntegerAccumulator>(accumulator);
    add(fmt::format("int{}{}", integer.bits, integer.wraps ? ":wrap" : ""), integer.every, integer.every == 0);
  }
  return options;
}

Element element_of(const FloatAccumulator& accumulator) {
  const int mantissa_bits = accumulator.mantissa_bits, bias = (1 << (accumulator.exponent_bits - 1)) - 1;
  Element element;
  element.name = fmt::format("e{}m{}", accumulator.exponent_bits, mantissa_bits);
  element.exponent_bits = accumulator.exponent_bits;
  element.mantissa_bits = mantissa_bits;
  element.min_exponent = 1 - bias;
  element.largest = std::ldexp(2 - std::ldexp(1.0, -mantissa_bits), bias);
  element.has_infinity = true;
  element.has_nan = true;
  element.source = "IEEE 754's layout";
  return element;
}

}  // namespace fakequant
