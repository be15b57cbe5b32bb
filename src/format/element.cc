#include "format/element.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "error.h"

namespace fakequant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The largest value of float32's exponent with so many mantissa bits.
double largest_of_float32(int mantissa_bits) { return std::ldexp(2 - std::ldexp(1.0, -mantissa_bits), 127); }

enum Specials { none, nan_only, nan_and_infinity };

Element ieee_like(std::string name, int exponent_bits, int mantissa_bits, double largest, Specials specials,
                  std::string source) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  return {std::move(name),  exponent_bits, mantissa_bits,    1 - bias, largest, specials == nan_and_infinity,
          specials != none, true,          std::move(source)};
}

// AMD's variants: the bias is larger by one, the code of -0 is the only NaN, and there is no infinity.
Element fnuz(std::string name, int exponent_bits, int mantissa_bits, double largest) {
  const int bias = 1 << (exponent_bits - 1);
  return {std::move(name),
          exponent_bits,
          mantissa_bits,
          1 - bias,
          largest,
          false,
          true,
          false,
          "Noune et al., arXiv 2206.02915"};
}

// The number that all of the text is; no value if it is not a number.
std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, number);
  if (text.empty() || stop != end || number < 0) return std::nullopt;
  return fault == std::errc{} ? number : std::numeric_limits<int>::max();
}

std::optional<Element> small_float_of(std::string_view name) {
  const auto m = name.find('m');
  if (!name.starts_with('e') || m == std::string_view::npos) return std::nullopt;
  const auto x = number_of(name.substr(1, m - 1)), y = number_of(name.substr(m + 1));
  if (!x || !y) return std::nullopt;
  if (*x < 2 || *x > 8 || *y < 1 || *y > 10) {
    throw usage_error(
        fmt::format("format {} is out of range: eXmY takes 2 to 8 exponent bits and 1 to 10 mantissa bits", name));
  }
  const int bias = (1 << (*x - 1)) - 1;
  const double largest = *x == 8 ? largest_of_float32(*y) : std::ldexp(2 - std::ldexp(1.0, -*y), (1 << *x) - 1 - bias);
  return ieee_like(std::string(name), *x, *y, largest, none, "IEEE 754's layout, every code finite");
}

std::optional<Element> truncated_float32_of(std::string_view name) {
  constexpr std::string_view kPrefix = "mantissa";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const auto bits = number_of(name.substr(kPrefix.size()));
  if (!bits) return std::nullopt;
  if (*bits > 23) {
    throw usage_error(fmt::format("format {} is out of range: mantissaN keeps 0 to 23 of float32's bits", name));
  }
  auto element = ieee_like(std::string(name), 8, *bits, largest_of_float32(*bits), nan_and_infinity,
                           "IEEE 754-2019 binary32 with fewer mantissa bits");
  element.has_nan = *bits > 0;  // without a mantissa NaN and infinity would have the same code
  return element;
}

}  // namespace

double Element::smallest_normal() const { return std::ldexp(1.0, min_exponent); }
double Element::smallest_subnormal() const { return std::ldexp(1.0, min_exponent - mantissa_bits); }

const std::vector<Element>& named_elements() {
  static const std::string ofp8 = "OCP OFP8 v1.0", mx = "OCP MX v1.0";
  static const std::vector<Element> elements = {
      ieee_like("f16", 5, 10, 65504, nan_and_infinity, "IEEE 754-2019 binary16"),
      ieee_like("bf16", 8, 7, largest_of_float32(7), nan_and_infinity, "Intel 338302-001US (2018)"),
      ieee_like("tf32", 8, 10, largest_of_float32(10), nan_and_infinity, "NVIDIA A100 whitepaper (2020)"),
      ieee_like("e5m2", 5, 2, 57344, nan_and_infinity, ofp8),
      ieee_like("e4m3", 4, 3, 448, nan_only, ofp8),
      ieee_like("e3m2", 3, 2, 28, none, mx),
      ieee_like("e2m3", 2, 3, 7.5, none, mx),
      ieee_like("e2m1", 2, 1, 6, none, mx),
      fnuz("e4m3fnuz", 4, 3, 240),
      fnuz("e5m2fnuz", 5, 2, 57344),
  };
  return elements;
}

std::optional<Element> element_of(std::string_view name) {
  for (const auto& element : named_elements()) {
    if (element.name == name) return element;
  }
  if (auto element = small_float_of(name)) return element;
  return truncated_float32_of(name);
}

const Element& mxint8_element() {
  static const Element element = {"int8", 0, 7, 1, 127.0 / 64, false, false, false, "OCP MX v1.0"};
  return element;
}

Element integer_element(int bits) {
  const double largest = (1 << (bits - 1)) - 1;
  return {"int" + std::to_string(bits), 0, bits - 1, bits - 1, largest, false, false, false, "scale x integer"};
}

Element codebook_element(const Codebook& codebook) {
  Element element{codebook.name, 1, 0, 0, codebook.largest(), false, false, false, codebook.source};
  element.codebook = &codebook;
  return element;
}

std::optional<std::uint32_t> encode(const Element& element, double value) {
  if (const auto* codebook = element.codebook) {
    if (std::isnan(value)) return std::nullopt;
    return static_cast<std::uint32_t>(index_in(*codebook, static_cast<float>(value)));
  }
  const int mantissa_bits = element.mantissa_bits;
  if (std::isnan(value)) {
    if (!element.has_nan) return std::nullopt;
    if (!element.has_negative_zero) return 1u << (element.exponent_bits + mantissa_bits);  // where -0 would be
    const std::uint32_t all = (1u << (element.exponent_bits + mantissa_bits)) - 1;
    // With an infinity, the quiet NaN without a payload; else the only one, with all bits set.
    return element.has_infinity && mantissa_bits > 0 ? all - ((1u << (mantissa_bits - 1)) - 1) : all;
  }
  if (element.is_fixed_point()) {
    const auto steps = static_cast<std::int32_t>(value / element.smallest_subnormal());
    return static_cast<std::uint32_t>(steps) & ((1u << element.bits()) - 1);
  }
  const double magnitude = std::fabs(value);
  std::uint32_t code = 0;
  if (std::isinf(value)) {
    code = ((1u << element.exponent_bits) - 1) << mantissa_bits;
  } else if (magnitude < element.smallest_normal()) {
    code = static_cast<std::uint32_t>(magnitude / element.smallest_subnormal());
  } else {
    const int exponent = std::ilogb(magnitude);
    const double fraction = std::ldexp(magnitude, -exponent) - 1;
    code = (static_cast<std::uint32_t>(exponent - element.min_exponent + 1) << mantissa_bits) +
           static_cast<std::uint32_t>(std::ldexp(fraction, mantissa_bits));
  }
  const bool negative = std::signbit(value) && (code != 0 || element.has_negative_zero);
  return code | (negative ? 1u << (element.exponent_bits + mantissa_bits) : 0u);
}

double decode(const Element& element, std::uint32_t code) {
  if (const auto* codebook = element.codebook) {
    return code < codebook->values.size() ? static_cast<double>(codebook->values[code]) : kNan;
  }
  const int mantissa_bits = element.mantissa_bits;
  const std::uint32_t sign_bit = 1u << (element.bits() - 1);
  if (element.is_fixed_point()) {
    const double steps = static_cast<double>(code & (sign_bit - 1)) - ((code & sign_bit) != 0 ? sign_bit : 0u);
    const double value = steps * element.smallest_subnormal();
    return std::fabs(value) > element.largest ? kNan : value;
  }
  if (!element.has_negative_zero && code == sign_bit) return kNan;
  const std::uint32_t mantissa = code & ((1u << mantissa_bits) - 1);
  const auto field = static_cast<int>((code & (sign_bit - 1)) >> mantissa_bits);
  double magnitude = 0;
  if (element.has_infinity && field == (1 << element.exponent_bits) - 1) {
    magnitude = mantissa == 0 ? kInfinity : kNan;
  } else if (field == 0) {
    magnitude = mantissa * element.smallest_subnormal();
  } else {
    magnitude =
        std::ldexp(1 + std::ldexp(static_cast<double>(mantissa), -mantissa_bits), field - 1 + element.min_exponent);
  }
  if (std::isfinite(magnitude) && magnitude > element.largest) magnitude = kNan;
  return (code & sign_bit) != 0 ? -magnitude : magnitude;
}

}  // namespace fakequant
