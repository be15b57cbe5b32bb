// An accumulator: the float in which the partial sums of a matrix product are kept.
//
//   acc=e8m13,every=32     after each 32 products the running sum is rounded to 8 exponent and 13 mantissa bits
//
// Every product with a weight has one, float32 where a rule says nothing else. The tensor cores of NVIDIA's Hopper add
// 32 FP8 products at once and keep about 14 bits of the sum (DeepSeek-V3 Technical Report, arXiv 2412.19437, section
// 3.3.2): e8m13, with the bit before the mantissa. Small processors keep f16, e5m10, and round after each product.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "format/element.h"
#include "format/format.h"

namespace fakequant {

struct Accumulator {
  int exponent_bits = 8;
  int mantissa_bits = 23;
  std::int64_t every = 1;  // products are added before the sum is rounded

  bool operator==(const Accumulator&) const = default;
};

// Whether an option of a rule is about its accumulator, and not about its format: acc, every.
bool is_accumulator_option(std::string_view key);

// From such options; none for acc=f32. Throws a usage error that says what is allowed for a wrong value, a key that
// comes twice, and every= without acc=.
std::optional<Accumulator> make_accumulator(const std::vector<FormatOption>& options);

// The options that make_accumulator reads back to the same accumulator.
std::vector<FormatOption> options_of(const Accumulator& accumulator);

// The numbers that the accumulator holds: IEEE 754's layout with infinities, so that e5m10 is f16 and e8m7 is bf16.
Element element_of(const Accumulator& accumulator);

}  // namespace fakequant
