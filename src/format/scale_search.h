// Finding the scale of a group of values.
//
// A row, a block or a token lies in memory and is looked at as a whole. A tensor need not: its scale is found from its
// pieces, in one pass over them or, where the range is a percentile or searched, in two.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "format/format_properties.h"
#include "format/scale.h"

namespace fakequant {

// What a group of values shares.
struct SharedScale {
  IntegerScale integer;  // of the integers
  float outer = 0;       // of NVFP4
};

// range=mse tries the ranges 1 %, 2 %, ... 100 % of the whole one, and takes the one whose rounding has the least sum
// of squared errors; of equal ones the widest. (Under stochastic rounding: the errors of rounding to nearest.)
inline constexpr int kRangesTried = 100;

// The outermost scale under a known range: an integer scale for which the range is that of the outermost codes
// (mode=sym: its absmax), or the outer scale for the range's absmax.
SharedScale static_scale(const Format& format, const ValueRange& range);

// The outermost scale of a group that lies in memory. NaN and infinity are left out. A percentile
// is linear between the two nearest ranks, as numpy.percentile has it by default. Throws a usage error for a static
// range, which is not to be found in the values.
SharedScale scale_of(const Format& format, std::span<const float> group);

// Finds the same as scale_of from a tensor's pieces.
class TensorScaleSearch {
 public:
  explicit TensorScaleSearch(const Format& format);

  int passes() const;

  // What a piece says in the current pass: sums for end_pass. For several threads at once.
  std::vector<double> look(std::span<const float> piece);

  // Ends a pass: what look() returned, in the order of the pieces.
  void end_pass(const std::vector<std::vector<double>>& sums);

  // The scale, after the last pass.
  SharedScale scale() const;

 private:
  Format format_;
  int pass_ = 0;
  std::mutex mutex_;
  ValueRange range_;
  // Magnitudes by their upper 16 bits, then those of the two ranks by their lower 16.
  std::vector<std::int64_t> upper_;
  std::array<std::vector<std::int64_t>, 2> lower_;
  std::array<std::size_t, 2> bins_{};
  SharedScale scale_;
};

}  // namespace fakequant
