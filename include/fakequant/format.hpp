// Number formats: what a format holds, and arrays of float32 rounded to it.
#pragma once

#include <fakequant/export.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fakequant {

// What a format holds.
struct FormatFacts {
  std::string name;
  double bits = 0;    // of a value, with its share of a block's scale; a row's or tensor's scale is not counted
  std::string codes;  // the layout of a value: "1 sign, 4 exponent, 3 mantissa", "-127 .. 127"
  std::optional<double> largest;  // in units of the scale, if there is one
  std::optional<double> smallest_normal;
  std::optional<double> smallest_subnormal;
  std::optional<std::int64_t> steps;  // from 1 to 2; no value for whole numbers
  std::string specials;               // infinity, NaN, -0: those with codes
  std::string scale;                  // the values that share it, and its type; empty if there is no scale
  std::string rotation;               // the matrix that rows are multiplied by; empty if there is none
  std::string source;                 // the specification
};

}  // namespace fakequant

namespace fakequant::FAKEQUANT_V0 {

// What an array holds, for the formats that need to know.
struct Rows {
  std::int64_t columns = 0;  // contiguous values of a row, which a product adds up over; 0: all values are one row
  // 0: the rows are a weight: by default each has a scale, and scales of tensors are found over all rows.
  // N > 0: an activation, of which each N rows are one token: by default a token has a scale.
  std::int64_t token_rows = 0;
  // The random words of round=stochastic depend on this name, of a tensor or a site, and on the position of the first
  // token. Empty: the name of the format.
  std::string site = {};
  std::uint32_t position = 0;
};

// A number format with all of its options. It does not change; copies share what was parsed, and several threads may
// use them.
class FAKEQUANT_API Format {
 public:
  // Parses "NAME[,KEY=VALUE]...", such as "e4m3", "nvfp4,rotate=hadamard" or "q4_k". Throws an Error that says what is
  // allowed, also for a format that needs the ranges or factors of a model's sites.
  explicit Format(const std::string& text);

  // The shortest text that is parsed to the same format.
  std::string text() const;

  // What it holds.
  FormatFacts facts() const;

  // Rounds the values in place: each becomes the value of the code that it rounds to, times its scale. Returns how many
  // were beyond the largest value. Throws an Error, with the values as they were, if the format cannot hold such rows
  // or is not for such values. Starts no threads.
  std::int64_t round(std::span<float> values, const Rows& rows = {}) const;

 private:
  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
};

// The names of formats, in the order of listings. Those with a number or a file in them are there once: "eXmY".
FAKEQUANT_API std::vector<std::string> format_names();

}  // namespace fakequant::FAKEQUANT_V0
