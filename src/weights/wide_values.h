// Values of types that a float does not hold: doubles, and integers of 32 and 64 bits.
//
// They are read as long double, whose 64 bits of mantissa hold each of them exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "buffer.h"
#include "weights/value_differences.h"
#include "weights/value_statistics.h"

namespace fakequant {

static_assert(std::numeric_limits<long double>::digits >= 53, "doubles must fit");

// True for the types, by GGUF's name or safetensors', with values that a float cannot hold: F64, and integers of 32
// and 64 bits.
bool is_wide(const std::string& type);

// True for the types of integers.
bool is_integer(const std::string& type);

// The values of stored elements of a wide or integer type.
Buffer<long double> wide_values(const std::string& type, std::span<const std::byte> bytes);

// Statistics of exact values. The counts and moments of `values` are theirs; its other figures are those of the values
// rounded to float.
struct WideStatistics {
  ValueStatistics values;
  long double min = std::numeric_limits<long double>::infinity();
  long double max = -std::numeric_limits<long double>::infinity();
  bool fits_float = true;  // a float holds each of them
  int mantissa_bits = 0;   // of double's 52: the maximum that a value uses

  void add(const WideStatistics& other);
};

WideStatistics wide_statistics(std::span<const long double> values);

// As value_differences(), of exact values. `changed` counts pairs of different values or signs; two NaNs are equal.
ValueDifferences wide_differences(std::span<const long double> a, std::span<const long double> b);

}  // namespace fakequant
