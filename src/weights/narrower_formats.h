// Which tensors are stored in more bits than their values need: what can be had for nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/census.h"

namespace fakequant {

// Tensors of one type whose every value the same narrower formats hold.
struct NarrowerFormats {
  std::string type;                  // "F32"
  std::vector<std::string> formats;  // of the fewest bits that do: "bf16", or several of as many
  int bits = 0;                      // of a value in them
  std::vector<std::size_t> tensors;  // places in the census
  std::uint64_t bytes = 0;           // that they take
  std::uint64_t narrower_bytes = 0;  // that they would take
};

// Of the tensors stored as F32, F16 and BF16, in the order of the first of each. The formats are of bf16, f16, e4m3 and
// e5m2.
std::vector<NarrowerFormats> narrower_formats(const Census& census);

}  // namespace fakequant
