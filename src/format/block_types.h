// Number formats that another library defines as blocks of bytes, such as ggml's tensor types.
//
// Such a type is rounded by the library's own code. This folder does not link it: whoever links the other library
// registers its types.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

struct BlockType {
  std::string library;            // whose type it is: "ggml"
  std::string name;               // in lower case: "q4_k"
  int id = 0;                     // the library's own number for it
  std::int64_t block = 1;         // values in a block; rows are whole blocks
  std::int64_t bytes = 0;         // bytes in a block
  bool needs_importance = false;  // the library quantizes to it only with an importance matrix

  // Replaces rows of `row` values by what the library reads back after it quantized them. `row` is a multiple of the
  // type's block and divides the number of values; `importance` has a weight for each column, or is empty. Throws an
  // Error for values that the library does not take.
  void (*round_trip)(const BlockType& type, std::span<float> values, std::int64_t row,
                     std::span<const float> importance) = nullptr;
};

// Makes types known as formats, by NAME where no other format has it and by LIBRARY:NAME. Call it before formats are
// parsed, from one thread; types must outlive all formats. A second call with the same types changes nothing.
void register_block_types(const std::vector<BlockType>& types);

// All registered types, in that order.
const std::vector<const BlockType*>& block_types();

// The type called NAME or LIBRARY:NAME; null if there is none.
const BlockType* find_block_type(std::string_view name);

}  // namespace fakequant
