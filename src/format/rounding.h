// How a value that lies between two codes of a number format is rounded.
//
// nearest, away and zero are odd functions, f(-x) = -f(x); all but stochastic are monotonic. Source: IEEE 754-2019,
// 4.3, for all but stochastic.
//
// A new rounding is defined here by its name and properties, in reference.h for one value, and in round-inl.h for
// vectors. The compiler reports each switch that lacks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "format/words.h"

namespace fakequant {

enum class Rounding {
  nearest,     // to the nearer code; a tie goes to the even one
  away,        // to the nearer code; a tie goes to the one farther from zero
  zero,        // towards zero: truncation
  up,          // towards plus infinity
  down,        // towards minus infinity
  stochastic,  // to one of the two at random: the nearer it is, the likelier
};

inline constexpr auto kRoundingWords = std::to_array<Word<Rounding>>({{"nearest", Rounding::nearest},
                                                                      {"away", Rounding::away},
                                                                      {"zero", Rounding::zero},
                                                                      {"up", Rounding::up},
                                                                      {"down", Rounding::down},
                                                                      {"stochastic", Rounding::stochastic}});
inline constexpr auto kRoundings = values_of_words(kRoundingWords);

inline std::string to_string(Rounding rounding) { return std::string(word_of_value(kRoundingWords, rounding)); }
inline std::optional<Rounding> rounding_of(std::string_view name) { return value_of_word(kRoundingWords, name); }

// Whether the rounding reads a random word for each value.
inline constexpr bool is_random(Rounding rounding) {
  switch (rounding) {
    case Rounding::nearest:
    case Rounding::away:
    case Rounding::zero:
    case Rounding::up:
    case Rounding::down:
      return false;
    case Rounding::stochastic:
      return true;
  }
  return false;
}

// Whether a value beyond the largest code becomes infinity, in a format that has one. Truncation never leaves the
// finite numbers, nor does a directed rounding on the side that it points away from (IEEE 754-2019, 7.4).
inline constexpr bool overflows_to_infinity(Rounding rounding, bool negative) {
  switch (rounding) {
    case Rounding::zero:
      return false;
    case Rounding::up:
      return !negative;
    case Rounding::down:
      return negative;
    case Rounding::nearest:
    case Rounding::away:
    case Rounding::stochastic:
      return true;
  }
  return true;
}

// Stochastic rounding adds a random fraction below 1 step, of 24 bits, and truncates. These are the bits of a random
// word that it takes: the upper 24.
inline constexpr int kRandomBits = 24;
inline constexpr std::uint32_t random_fraction(std::uint32_t word) { return word >> (32 - kRandomBits); }

}  // namespace fakequant
