// An accumulator: the number in which the partial sums of a matrix product are kept.
//
//   acc=e8m13,every=32     after each 32 products the running sum is rounded to 8 exponent and 13 mantissa bits
//   acc=int16,every=64     products of integer codes are summed in 16 bits, which saturate, 64 at a time; these sums
//                          are scaled and added in float32
//   acc=int16:wrap         the same of a row as a whole, in 16 bits that wrap around
//
// Every product with a weight has one, float32 where a rule says nothing else. The tensor cores of NVIDIA's Hopper add
// 32 FP8 products at once and keep about 14 bits of the sum (DeepSeek-V3 Technical Report, arXiv 2412.19437, section
// 3.3.2): e8m13, with the bit before the mantissa. Small processors keep f16, e5m10, and round after each product.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "format/element.h"
#include "format/format.h"

namespace fakequant {

struct FloatAccumulator {
  int exponent_bits = 8;
  int mantissa_bits = 23;
  std::int64_t every = 1;  // products are added before the sum is rounded

  bool operator==(const FloatAccumulator&) const = default;
};

struct IntegerAccumulator {
  static constexpr std::int64_t kLeastEvery = 16;  // of fewer values the step cannot be told (engine/integer_codes.h)

  int bits = 32;           // 8 to 32, two's complement
  bool wraps = false;      // otherwise it saturates
  std::int64_t every = 0;  // products are added before the sum is scaled; 0: all of a row

  bool operator==(const IntegerAccumulator&) const = default;
};

using Accumulator = std::variant<FloatAccumulator, IntegerAccumulator>;

// Whether an option of a rule is about its accumulator, and not about its format: acc, every.
bool is_accumulator_option(std::string_view key);

// From such options; none for acc=f32. Throws a usage error that says what is allowed for a wrong value, a key that
// comes twice, and every= without acc=.
std::optional<Accumulator> make_accumulator(const std::vector<FormatOption>& options);

// The options that make_accumulator reads back to the same accumulator.
std::vector<FormatOption> options_of(const Accumulator& accumulator);

// The numbers that the accumulator holds: IEEE 754's layout with infinities, so that e5m10 is f16 and e8m7 is bf16.
Element element_of(const FloatAccumulator& accumulator);

}  // namespace fakequant
