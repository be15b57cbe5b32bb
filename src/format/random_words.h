// Random words for stochastic rounding: a function of a key and an element's position only.
//
// Philox4x32-7 turns a counter and a key into four words. It has no state, so the result does not depend on which
// thread rounds an element, or in which batch. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC
// 2011); 7 rounds are the fewest that pass all of BigCrush there.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace fakequant {

// Determines the words of a row of elements.
struct RandomStream {
  std::uint64_t key = 0;  // random_key() of the seed and the site
  std::uint64_t row = 0;  // weights: 0; activations: the sequence in the upper half, the position in the lower

  bool operator==(const RandomStream&) const = default;
};

// The key of a site under a seed.
std::uint64_t random_key(std::uint64_t seed, std::string_view site);

// Philox4x32-7.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

// The word of element i of a stream. 64 consecutive elements share 16 counters: elements 0-15 take the first words of
// counters 0-15, elements 16-31 the second, so that a vector of counters gives contiguous words.
std::uint32_t random_word(const RandomStream& stream, std::uint64_t i);

// The words of elements first, first + 1, ...
void fill_random_words(const RandomStream& stream, std::uint64_t first, std::span<std::uint32_t> words);

}  // namespace fakequant
