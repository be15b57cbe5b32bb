// Statistics of float32 values, piece by piece: moments, extremes, and the bits that the values use.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace fakequant {

struct ValueStatistics {
  std::int64_t values = 0;  // all of them
  std::int64_t finite = 0;
  std::int64_t zeros = 0, nans = 0, infs = 0;
  std::int64_t low16_zero = 0;      // values whose low 16 bits are zero
  std::uint32_t mantissa_used = 0;  // bitwise or of the mantissa fields of the finite values
  int max_significant_bits = 0;     // of a finite value: from its highest to its lowest set bit, inclusive
  int lowest_bit = std::numeric_limits<int>::max();  // exponent of the lowest set bit of any finite value
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  // Of the finite values: the mean, and the sums of powers of their distances from it.
  double mean = 0, m2 = 0, m3 = 0, m4 = 0;

  // Adds the statistics of other values (P. Pebay, Sandia report SAND2008-6212, equations 2.1, 3.1).
  void add(const ValueStatistics& other);
};

ValueStatistics value_statistics(std::span<const float> values);

// Those of bf16, f16, tf32, e4m3 and e5m2 that hold every value exactly, then "mantissaN" with the smallest such N
// below 23. Ranges and steps: IEEE 754-2019 binary16, OCP OFP8 1.0 table 1, BF16 and TF32 as float32 with 7 and 10
// mantissa bits. Infinities need a format that has them.
std::vector<std::string> lossless_formats(const ValueStatistics& statistics);

// The maximum of float32's 23 mantissa bits that a value uses.
int mantissa_bits(const ValueStatistics& statistics);

}  // namespace fakequant
