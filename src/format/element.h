// An element: the number type of one value, before any scale.
//
// Every element is a grid. Between 2^e and 2^(e+1) its values are 2^(e - mantissa_bits) apart; below 2^min_exponent the
// step stays the same (the subnormals); nothing is above `largest` but infinity, in some. "bf16", "e4m3" and
// "mantissa5" differ only in these numbers, so a new element is one entry in the table of element.cc. An element
// without exponent bits is a fixed-point number: its step is the same everywhere. A codebook is no grid: its values are
// in a list (codebook.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/codebook.h"

namespace fakequant {

struct Element {
  std::string name;
  int exponent_bits = 8;
  int mantissa_bits = 7;
  int min_exponent = -126;  // the smallest normal value is 2^min_exponent
  double largest = 0;       // the largest finite value
  bool has_infinity = false;
  bool has_nan = false;
  bool has_negative_zero = true;
  std::string source;                  // the specification that defines it
  const Codebook* codebook = nullptr;  // the values, where they are a list and not a grid

  bool operator==(const Element&) const = default;

  int bits() const { return codebook != nullptr ? codebook->bits() : 1 + exponent_bits + mantissa_bits; }
  bool is_fixed_point() const { return exponent_bits == 0; }
  double smallest_normal() const;
  double smallest_subnormal() const;  // the step below the smallest normal
};

// The elements with proper names, in the order of listings.
const std::vector<Element>& named_elements();

// A named element, any other "eXmY" (X 2-8, Y 1-10), or "mantissaN" (N 0-23). No value for any other name. Throws a
// usage error if X, Y or N is out of range.
std::optional<Element> element_of(std::string_view name);

// The element of MXINT8: two's complement, a step of 2^-6, from -127/64 to 127/64 (OCP MX v1.0, 5.3.4).
const Element& mxint8_element();

// The element of intN: whole numbers from -(2^(N-1)-1) to 2^(N-1)-1.
Element integer_element(int bits);

// The values of a codebook as an element.
Element codebook_element(const Codebook& codebook);

// The code of a value of the grid, in the lowest bits: sign, exponent, mantissa; two's complement for a fixed-point
// element, the index in a codebook. No value for NaN if the element has no code for it.
std::optional<std::uint32_t> encode(const Element& element, double value);

// The value of a code; NaN for codes that are not numbers, and for codes above the largest value (e8mY has some beyond
// float32; OFP8's E4M3 has none).
double decode(const Element& element, std::uint32_t code);

}  // namespace fakequant
