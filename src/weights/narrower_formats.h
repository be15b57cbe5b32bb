// Tensors that are stored in more bits than their values need, and could be smaller without loss.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/census.h"

namespace fakequant {

// Tensors of one type whose values all fit the same narrower formats.
struct NarrowerFormats {
  std::string type;                  // "F32"
  std::vector<std::string> formats;  // those of the fewest bits: "bf16", or several of the same size
  int bits = 0;                      // per value, in these formats
  std::vector<std::size_t> tensors;  // indices in the census
  std::uint64_t bytes = 0;           // as stored
  std::uint64_t narrower_bytes = 0;  // in these formats
};

// Considers tensors stored as F32, F16 and BF16, and the formats bf16, f16, e4m3 and e5m2. The groups are in the order
// of their first tensors.
std::vector<NarrowerFormats> narrower_formats(const Census& census);

}  // namespace fakequant
