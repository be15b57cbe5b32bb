#include "recipe/accumulator.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kWidthKey = "acc", kEveryKey = "every";

// "e8m13"; none for another text, and for bits out of range.
std::optional<Accumulator> parse_width(std::string_view text) {
  const auto m = text.find('m');
  if (!text.starts_with('e') || m == std::string_view::npos) return std::nullopt;
  const auto exponent = number_of_text<std::int64_t>(text.substr(1, m - 1)),
             mantissa = number_of_text<std::int64_t>(text.substr(m + 1));
  if (!exponent || !mantissa || *exponent < 2 || *exponent > 8 || *mantissa < 1 || *mantissa > 22) return std::nullopt;
  return Accumulator{static_cast<int>(*exponent), static_cast<int>(*mantissa), 1};
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
                    "as e5m10 or e8m13",
                    *width));
  }
  if (!every) return accumulator;
  if (!accumulator) throw usage_error("acc=f32 has no every=: float32 sums are rounded after each product");
  const auto number = number_of_text<std::int64_t>(*every);
  if (!number || *number < 1) {
    throw usage_error(fmt::format("bad every={}: every= takes a whole number of products from 1", *every));
  }
  accumulator->every = *number;
  return accumulator;
}

std::vector<FormatOption> options_of(const Accumulator& accumulator) {
  std::vector<FormatOption> options = {
      {std::string(kWidthKey), fmt::format("e{}m{}", accumulator.exponent_bits, accumulator.mantissa_bits)}};
  if (accumulator.every != 1) options.push_back({std::string(kEveryKey), std::to_string(accumulator.every)});
  return options;
}

Element element_of(const Accumulator& accumulator) {
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
