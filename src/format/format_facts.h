// What a number format can hold, and what it makes of given values: the facts behind `fakequant formats`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/format.h"

namespace fakequant {

struct FormatFacts {
  std::string name;
  double bits = 0;    // of a value, with its part of a block's scale; a row's or tensor's scale is not counted
  std::string codes;  // what a value is: "1 sign, 4 exponent, 3 mantissa", "-127 .. 127"
  std::optional<double> largest;  // in units of the scale, where there is one
  std::optional<double> smallest_normal;
  std::optional<double> smallest_subnormal;
  std::optional<std::int64_t> steps;  // from 1 to 2, where the distances between values depend on their size
  std::string specials;               // infinity, NaN, -0, as far as there are codes for them
  std::string scale;                  // what shares it, and its type; empty for none
  std::string source;                 // the specification
};

FormatFacts facts_of(const Format& format);

// One format for each name that format_names() lists; of the open families a few that are in use.
std::vector<FormatFacts> all_format_facts();

// A code as `formats` prints it: a whole number where codes count scales, else its bits in hexadecimal.
std::string code_text(const Format& format, std::int64_t code);

// A value as a format holds it. Values given together share their scales as a row does.
struct FormatExample {
  double value = 0;
  double rounded = 0;
  std::optional<std::int64_t> code;  // as it would be stored; none for block types, and for NaN without a code
  std::optional<double> scale;       // that the value shares
  // The format's nearest values around it, under the same scale: twice itself where it is one of them. None for block types.
  std::optional<double> below;
  std::optional<double> above;
};

// What becomes of a row of values. Block types want whole blocks: the row is filled up with zeros.
std::vector<FormatExample> examples_of(const Format& format, const std::vector<double>& values);

}  // namespace fakequant
