// The reference: rounds one value to an element, in code that is meant to be obviously right.
//
// It computes in double, exactly: a float32 times a power of two, its whole part and its fraction need 24 bits. The
// kernels must give the same bits for every float32, and the tests compare them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "format/element.h"
#include "format/rounding.h"

namespace fakequant {

struct Rounded {
  float value = 0;
  bool saturated = false;  // it was beyond the largest value: clamped to it, or made infinity
};

// 2^exponent, for an exponent of double's normal numbers.
inline double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// floor(log2(x)) of a normal double above 0.
inline int exponent_of(double x) { return static_cast<int>(std::bit_cast<std::uint64_t>(x) >> 52) - 1023; }

// The whole number that `steps` >= 0, below 2^53, is rounded to. `is_odd` is whether the code just below it is odd;
// `random` is a random word, which only random roundings read.
inline double round_steps(Rounding rounding, double steps, bool is_odd, bool negative, std::uint32_t random) {
  const auto below = static_cast<double>(static_cast<std::int64_t>(steps));
  const double fraction = steps - below;
  bool farther = false;
  switch (rounding) {
    case Rounding::nearest:
      farther = fraction > 0.5 || (fraction == 0.5 && is_odd);
      break;
    case Rounding::away:
      farther = fraction >= 0.5;
      break;
    case Rounding::zero:
      break;
    case Rounding::up:
      farther = fraction > 0 && !negative;
      break;
    case Rounding::down:
      farther = fraction > 0 && negative;
      break;
    case Rounding::stochastic:
      farther = fraction + random_fraction(random) * power_of_two(-kRandomBits) >= 1;
      break;
  }
  return farther ? below + 1 : below;
}

// Whether the code just below a magnitude of so many steps is odd: by the last bit of the mantissa, or of the exponent
// in an element without mantissa bits.
inline bool is_odd_code(const Element& element, double steps, int exponent) {
  const auto whole = static_cast<std::int64_t>(steps);
  if (element.mantissa_bits > 0 || whole == 0) return (whole & 1) != 0;
  return ((exponent - element.min_exponent + 1) & 1) != 0;
}

// Rounds x to element x 2^shared_exponent. Overflow: infinity where the element has it, `saturate` is false and the
// rounding points there, else the largest value. NaN: a quiet NaN of the same sign. -0 stays where the element has it.
inline Rounded round_reference(const Element& element, Rounding rounding, bool saturate, float x,
                               std::uint32_t random = 0, int shared_exponent = 0) {
  if (const auto* codebook = element.codebook)
    return {round_to_codebook(*codebook, rounding, x), is_beyond(*codebook, x)};
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const bool negative = (bits >> 31) != 0;
  const double magnitude = std::bit_cast<float>(bits & 0x7FFFFFFFu);
  const double sign = negative ? -1 : 1;
  if (magnitude != magnitude) return {std::bit_cast<float>(bits | 0x00400000u), false};

  const double scale = power_of_two(shared_exponent);
  const bool has_infinity = element.has_infinity && !saturate;
  if (magnitude == std::numeric_limits<double>::infinity()) {
    return {has_infinity ? x : static_cast<float>(sign * element.largest * scale), !has_infinity};
  }
  double value = 0;
  if (magnitude != 0) {
    const double unscaled = magnitude * power_of_two(-shared_exponent);
    int exponent = exponent_of(unscaled);
    if (exponent < element.min_exponent) exponent = element.min_exponent;
    const int step = exponent - element.mantissa_bits;  // the exponent of the distance between two values here
    const double steps = unscaled * power_of_two(-step);
    value = power_of_two(step) * round_steps(rounding, steps, is_odd_code(element, steps, exponent), negative, random);
  }
  if (value > element.largest) {
    const bool to_infinity = has_infinity && overflows_to_infinity(rounding, negative);
    value = to_infinity ? std::numeric_limits<double>::infinity() : element.largest;
    return {static_cast<float>(sign * value * scale), true};
  }
  if (value == 0 && !element.has_negative_zero) return {0.0f, false};
  return {static_cast<float>(sign * value * scale), false};
}

}  // namespace fakequant
