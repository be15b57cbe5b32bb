// A codebook: an element that is given by the list of its values, whatever their distances are.
//
// A value becomes the nearest of the list. The border between two neighbours is float32((a + b) / 2), and what lies on
// it takes the lower one: the thresholds of bitsandbytes' NF4, to the bit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/rounding.h"

namespace fakequant {

inline constexpr std::size_t kLargestCodebook = 65536;

struct Codebook {
  std::string name;               // "nf4", "lookup:FILE"
  std::string file;               // that the values are from; empty for a known list
  std::string source;             // who defines it
  std::vector<float> values;      // in ascending order, 2 to kLargestCodebook, all distinct and finite
  std::vector<float> thresholds;  // above the i-th a value belongs to values[i + 1] or beyond
  // A value saturates beyond these: the outermost ones, and half the distance from each to its neighbour. 0 never does.
  float low = 0, high = 0;

  float largest() const;  // of the magnitudes, above 0
  int bits() const;       // of a code, the index of a value
};

// The 16 values of NF4. Source: Dettmers et al., QLoRA (arXiv 2305.14314), as bitsandbytes has them.
const Codebook& nf4();

// The values of a text file, one on each line, in any order; empty lines and those that begin with # are skipped. The
// codebook stays known: the same file with the same values is the same object. Throws a usage error that names the line
// of what is no finite number or occurs twice, for fewer than two values and more than kLargestCodebook, and where the
// file cannot be read.
const Codebook& codebook_of_file(const std::string& path);

// The value that x becomes: for nearest the nearest in the list, for up and down the next one on that side, for zero
// the one of these that is nearer to zero. The others are as nearest. NaN stays NaN; outermost values take what is
// beyond.
float round_to_codebook(const Codebook& codebook, Rounding rounding, float x);

// Whether a value lies so far beyond the list that it saturates. Not for NaN.
bool is_beyond(const Codebook& codebook, float x);

// The index of the value that is nearest to x.
std::size_t index_in(const Codebook& codebook, float x);

}  // namespace fakequant
