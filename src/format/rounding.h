// How a value that lies between two codes of a number format is rounded.
//
// nearest, away and zero are odd, f(-x) = -f(x); all but stochastic are monotonic. Source: IEEE 754-2019, 4.3, for all
// but stochastic.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fakequant {

enum class Rounding {
  nearest,     // to the nearer code; a tie goes to the even one
  away,        // to the nearer code; a tie goes to the one farther from zero
  zero,        // towards zero: truncation
  up,          // towards plus infinity
  down,        // towards minus infinity
  stochastic,  // to one of the two at random: the nearer it is, the likelier
};

inline constexpr std::array kRoundings = {Rounding::nearest, Rounding::away, Rounding::zero,
                                          Rounding::up,      Rounding::down, Rounding::stochastic};

std::string to_string(Rounding rounding);
std::optional<Rounding> rounding_of(std::string_view name);

// "nearest, away, zero, up, down or stochastic", for messages.
std::string rounding_names();

// Stochastic rounding adds a random fraction below 1 step, of 24 bits, and truncates. These are the bits of a random
// word that it takes: the upper 24.
inline constexpr int kRandomBits = 24;
inline constexpr std::uint32_t random_fraction(std::uint32_t word) { return word >> (32 - kRandomBits); }

// Whether rounding sends a value that lies beyond the largest code to infinity, in a format that has one. Truncation
// never leaves the finite numbers, nor does a directed rounding on the side that it points away from (IEEE 754-2019,
// 7.4).
inline constexpr bool overflows_to_infinity(Rounding rounding, bool negative) {
  switch (rounding) {
    case Rounding::zero:
      return false;
    case Rounding::up:
      return !negative;
    case Rounding::down:
      return negative;
    default:
      return true;
  }
}

}  // namespace fakequant
