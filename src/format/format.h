// What a number format is: a name, what the name stands for, and the options that follow it.
//
// A Format is a value: it is parsed from the words of a rule ("int4,per=block,block=32,mode=asym"), compared, printed
// back, and handed to the functions that round. Five families share the options that make sense for them:
//
//   element   bf16 e4m3 e5m10 mantissa7   values on an element's grid, without a scale
//   integer   int2 .. int16               a float32 scale for each tensor, token, row or block
//   mx        mxfp8 mxfp4 mxint8 ...      a power of two for each 32 values
//   nvfp4     nvfp4                       an E4M3 scale for each 16 values, a float32 one over all
//   ggml      q4_k ggml:mxfp4 ...         ggml's own code
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/element.h"
#include "format/ggml_types.h"
#include "format/rounding.h"
#include "format/scale.h"

namespace fakequant {

enum class Family { element, integer, mx, nvfp4, ggml };

// The values that share an integer's scale.
enum class Span {
  tensor,
  token,  // all values of one token, however many rows they are
  row,    // ne[0] values that lie together
  block,  // so many of a row; the row's end cuts the last one short
};

// How the range that an integer's codes cover, or NVFP4's outer scale, is found: from the values that are rounded, or
// once and for all from what a file of ranges has of the site.
struct RangeRule {
  enum Kind { absmax, percentile, mse, static_range } kind = absmax;
  double percent = 100;   // of the values' magnitudes, for percentile
  std::string file = {};  // for static_range

  bool operator==(const RangeRule&) const = default;
};

struct Format {
  std::string name = "bf16";
  Family family = Family::element;
  Element element = *element_of("bf16");  // of one value; not for integer and ggml
  int bits = 16;                          // of an integer

  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;   // of stochastic rounding
  bool saturate = false;    // overflow=saturate: clamps where the element has an infinity
  std::optional<Span> per;  // left out: a row of a weight, a token of an activation; tensor where the range is static
  std::int64_t block = 32;  // per=block
  bool asymmetric = false;
  RangeRule range;
  ScaleRounding scale_rounding = ScaleRounding::floor;
  std::string importance_file;  // imatrix=, of ggml's types

  bool operator==(const Format&) const = default;
};

// One KEY=VALUE that follows a format's name.
struct FormatOption {
  std::string key;
  std::string value;
};

// The names to list, the open families by one of theirs: "eXmY", "mantissaN", "int2..int16".
std::vector<std::string> format_names();

// Throws a usage error that says what is allowed when the name, a key or a value is not known, or a key comes twice.
Format make_format(std::string_view name, const std::vector<FormatOption>& options);

// Parses "NAME[,KEY=VALUE]...", for instance "bf16,round=zero". A value with a comma stands in '...'. Throws as
// make_format does.
Format parse_format(std::string_view text);

// The options that make_format reads back to the same format; those at their default are left out.
std::vector<FormatOption> options_of(const Format& format);

// The text that parse_format reads back to the same format.
std::string to_string(const Format& format);

// The value of range=: "absmax", "percentile:99.9", "mse", "static:FILE". Throws a usage error for any other.
RangeRule parse_range(std::string_view text);
std::string to_string(const RangeRule& range);

// The type of a format of the ggml family.
const GgmlType& ggml_type_of_format(const Format& format);

}  // namespace fakequant
