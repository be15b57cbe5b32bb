// Counting magnitudes in bins of equal width, in which ranges are searched (range_search.h).
//
// The width is the power of two of which the largest magnitude has from 2048 to 4096. It doubles, and neighbours become
// one bin, as larger values come; so the counts depend neither on the order of the values nor on how they are added.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fakequant {

class LinearBins {
 public:
  // Adds the finite values.
  void add(std::span<const float> values);

  // Bin i holds magnitudes from i to below i + 1 times the width. The last one is that of the largest magnitude; none
  // where nothing was added.
  std::span<const std::int64_t> counts() const;
  double width() const;

 private:
  void widen(int exponent);

  static constexpr int kMost = 4096, kMostExponent = 12;
  static constexpr int kSmallestExponent = -149;  // of the smallest float32
  int exponent_ = kSmallestExponent;              // of the width
  std::vector<std::int64_t> bins_ = std::vector<std::int64_t>(kMost);
  std::size_t used_ = 0;
};

}  // namespace fakequant
