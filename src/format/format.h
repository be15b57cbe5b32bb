// A number format: the parts that define how values are rounded, and the text that names them.
//
// A format is an element, the span of values that share a scale, the type of that scale and the rule that finds it, a
// second scale outside of it, the range that the codes are fitted to, the rounding, and a rotation of the rows that are
// rounded, and factors of their columns. Options that follow a name change one part each (format_options.cc), and names
// are short for combinations of parts (format_names.cc):
//
//   bf16 e4m3 mantissa7     a float element, no scale
//   e4m3,per=row            a float element, a float32 scale for each row: absmax goes to the element's largest value
//   int2 .. int16           an integer element, a float32 scale for each tensor, token, row or block
//   nf4  lookup:FILE        a list of values, with scales for blocks, rows or all, or without
//   mxfp4                   e2m1,per=block,block=32,scale=e8m0: a power of two for each 32 values
//   mx6                     int5,per=block,block=16,scale=e8m0,subblock=2: the same, halved for pairs of small values
//   nvfp4                   e2m1,per=block,block=16,scale=e4m3,outer=f32: and a float32 scale over all of them
//   q4_k ggml:mxfp4 ...     a block type of another library, whose code does it all
//
// A Format is a value: parsed from the words of a rule ("int4,per=block,block=32,mode=asym"), compared, printed, and
// passed to the functions that round. What a combination of parts means to a caller is answered in format_properties.h;
// code elsewhere asks there and does not look at names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/block_types.h"
#include "format/element.h"
#include "format/rotation.h"
#include "format/rounding.h"
#include "format/scale_rule.h"
#include "format/scale_type.h"
#include "format/smoothing.h"

namespace fakequant {

// The values that share a scale.
enum class Span {
  tensor,
  token,  // all values of one token, however many rows they are
  row,    // ne[0] contiguous values
  block,  // a number of contiguous values of a row; the row's end may cut the last block short
  tile,   // rows and columns of a matrix of weights, whose ends may cut the last tiles short
};

// The size of the tiles that share a scale, for Span::tile.
struct TileSize {
  std::int64_t rows = 0, columns = 0;

  bool operator==(const TileSize&) const = default;
};

// How the range that the outermost scale covers is found: from the values that are rounded, from a file that has a
// fixed range for each site, or given as a number, the absmax. Without a file a fixed range is that of smooth='s file.
struct RangeRule {
  enum Kind { absmax, percentile, mse, output, static_range, number } kind = absmax;
  double percent = 100;   // of the values' magnitudes, for percentile
  std::string file = {};  // for static_range
  float magnitude = 0;    // for number

  bool operator==(const RangeRule&) const = default;
};

// The codes of symmetric integers of N bits, and the code that the absmax goes to.
enum class IntegerCodes {
  narrow,         // -(2^(N-1)-1) to 2^(N-1)-1; absmax goes to the largest
  full,           // -2^(N-1) to 2^(N-1)-1; absmax goes to the middle of both ends, (2^N - 1) / 2
  full_positive,  // -2^(N-1) to 2^(N-1)-1; absmax goes to the largest
};

// How codes are fitted to the values of a group.
enum class Fit {
  absmax,         // each value becomes the nearest code, and the absmax the largest
  four_over_six,  // in E2M1 the absmax becomes 6 or 4, whichever loses less
  gptq,           // of a matrix: later columns make up for the errors of those before them (weights/gptq.h)
};

// The order in which fit=gptq rounds the columns of a matrix.
enum class ColumnOrder {
  natural,     // from left to right
  activation,  // those with the largest inputs first
};

// What fit=gptq takes.
struct GptqOptions {
  std::string hessian_file;  // of `calibrate --hessian`; range=output takes it, too
  ColumnOrder order = ColumnOrder::natural;
  double damping = 0.01;  // what is added to the Hessian's diagonal, in parts of its mean

  bool operator==(const GptqOptions&) const = default;
};

// How a value is divided by a float scale. Results differ in last bits, and where those decide a tie.
enum class ScaleArithmetic {
  division,    // x / scale
  reciprocal,  // x * (1 / absmax * largest), and back by 1 / that
  factor,      // x * (largest / absmax), and back by 1 / that
};

inline constexpr int kLargestMargin = 64;

inline constexpr std::int64_t kDefaultBlock = 32;
inline constexpr std::int64_t kLargestBlock = 2048;  // where more than a scale in float32 belongs to a block

struct Format {
  std::string name = "bf16";  // the shortest that says the parts: see name_by_parts()

  // A type of another library, which replaces all parts but the rotation and the importance file; null for other
  // formats.
  const BlockType* block_type = nullptr;

  Element element = *element_of("bf16");      // of one value
  bool asymmetric = false;                    // integers: codes from 0 on, with a zero point beside the scale
  IntegerCodes codes = IntegerCodes::narrow;  // of symmetric integers
  bool saturate = false;                      // overflow=saturate: clamps where the element has an infinity

  Scale scale;
  std::optional<Span> per;             // left out: see span_of_scale()
  std::int64_t block = kDefaultBlock;  // values in a block, for per=block
  std::int64_t subblock = 0;           // values in a block of E8M0 that share a bit, which halves the scale; 0: none
  TileSize tile;                       // for tile=
  ScaleType outer_scale = ScaleType::none;  // f32: over all values of a tensor or token, beside the scales of blocks
  RangeRule range;
  Fit fit = Fit::absmax;
  GptqOptions gptq;                                        // for fit=gptq
  ScaleArithmetic arithmetic = ScaleArithmetic::division;  // of float elements
  int margin = 0;                                          // scales are those of 2^margin times the absmax

  Smoothing smoothing;        // of columns, before rows are rotated; undone last
  std::string awq_file = {};  // likewise, by factors found with the Hessians of this file (weights/awq.h)
  Rotation rotation;          // of rows, before they are rounded; undone afterwards

  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;  // of random roundings

  std::string importance_file;  // imatrix=, for block types

  bool operator==(const Format&) const = default;
};

// One KEY=VALUE that follows a format's name.
struct FormatOption {
  std::string key;
  std::string value;
};

// Throws a usage error that says what is allowed when the name, a key or a value is unknown, or a key comes twice.
Format make_format(std::string_view name, const std::vector<FormatOption>& options);

// Parses "NAME[,KEY=VALUE]...", for instance "bf16,round=zero". A value with a comma is enclosed in '...'. Throws as
// make_format does.
Format parse_format(std::string_view text);

// The options that make_format reads back to the same format; those at their default are left out.
std::vector<FormatOption> options_of(const Format& format);

// The pieces of "NAME[,KEY=VALUE]...": what lies between commas that are not enclosed in '...'. At least one.
std::vector<std::string_view> pieces_of(std::string_view text);

// The text that parse_format reads back to the same format.
std::string to_string(const Format& format);

// The value of range=: "absmax", "percentile:99.9", "mse", "output", "static:FILE", "static", "6.5". Throws a usage
// error for any other.
RangeRule parse_range(std::string_view text);
std::string to_string(const RangeRule& range);

}  // namespace fakequant
