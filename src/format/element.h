// An element: the number type of one value, before any scale.
//
// Every element here is a grid. Between 2^e and 2^(e+1) its values stand 2^(e - mantissa_bits) apart; below
// 2^min_exponent the step stays what it is there (the subnormals); above `largest` there is nothing, or infinity. What
// differs between "bf16", "e4m3" or "mantissa5" is these numbers and nothing else, so a new element is one entry in the
// table of element.cc. An element without exponent bits is a fixed-point number: its step is the same everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  std::string source;  // the specification that says so

  bool operator==(const Element&) const = default;

  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  bool is_fixed_point() const { return exponent_bits == 0; }
  double smallest_normal() const;
  double smallest_subnormal() const;  // the step below the smallest normal
};

// The elements with a name of their own, in the order in which they are worth listing.
const std::vector<Element>& named_elements();

// The named ones, any other "eXmY" (X 2-8, Y 1-10) and "mantissaN" (N 0-23). No value when it is none of these; throws
// a usage error when it is one but X, Y or N is out of range.
std::optional<Element> element_of(std::string_view name);

// The element of MXINT8: two's complement, a step of 2^-6, from -127/64 to 127/64 (OCP MX v1.0, 5.3.4).
const Element& mxint8_element();

// The element of intN: whole numbers from -(2^(N-1)-1) to 2^(N-1)-1.
Element integer_element(int bits);

// The code of a value that the element can hold, in its lowest bits: sign, exponent, mantissa; two's complement for a
// fixed-point element. No value for NaN where the element has no code for it.
std::optional<std::uint32_t> encode(const Element& element, double value);

// The value of a code; NaN for the codes that are no number. The unused codes of an element whose largest value ends
// below them (OFP8's E4M3 has none, e8mY has those beyond float32) are NaN too.
double decode(const Element& element, std::uint32_t code);

}  // namespace fakequant
