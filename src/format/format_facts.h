// The facts that `fakequant formats` shows: the values that a format can hold, and how it rounds given values.
#pragma once

#include <cstdint>
#include <fakequant/format.hpp>
#include <optional>
#include <string>
#include <vector>

#include "format/format.h"

namespace fakequant {

FormatFacts facts_of(const Format& format);

// The facts of each of example_names().
std::vector<FormatFacts> all_format_facts();

// A code as `formats` prints it: a whole number where codes count scales, else its bits in hexadecimal.
std::string code_text(const Format& format, std::int64_t code);

// A value and its rounded form.
struct FormatExample {
  double given = 0;
  double value = 0;  // the float32 that is rounded: the one nearest to what was given
  double rounded = 0;
  std::optional<std::int64_t> code;  // as it would be stored; none for block types, rotated values, NaN without a code
  std::optional<double> scale;       // that the value shares
  // The format's nearest values around it, under the same scale; both are the value itself if the format holds it. None
  // for block types and rotated values.
  std::optional<double> below;
  std::optional<double> above;
};

// Rounds a row of values, which share their scales as a row does. The row is padded with zeros to whole blocks of a
// block type or a rotation.
std::vector<FormatExample> examples_of(const Format& format, const std::vector<double>& values);

}  // namespace fakequant
