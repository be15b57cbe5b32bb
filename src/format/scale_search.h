// Finding the scale of a group of values.
//
// The values of a row, a block or a token are in memory together. A tensor's may not be: its scale is found from its
// pieces, in one pass over them, or in two if the range is a percentile or searched.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "format/format_properties.h"
#include "format/scale.h"

namespace fakequant {

// The scale that a group of values shares.
struct SharedScale {
  IntegerScale integer = {};  // of integers
  FloatScale floating = {};   // of floats
  float outer = 0;            // over scaled blocks
};

// range=mse tries 1 %, 2 %, ... 100 % of the whole range and takes the one with the smallest sum of squared errors; the
// widest of equals. For random roundings it uses the errors of rounding to nearest. range=output has the same ranges,
// and an error that its callers find (weights/output_clipping.h).
inline constexpr int kRangesTried = 100;

// The scale for so many percent of a range; none, where it underflows to 0 and every value would be lost.
std::optional<SharedScale> scale_tried(const Format& format, const ValueRange& range, int percent);

// The rounding under which ranges are compared.
Rounding rounding_tried(const Format& format);

// The scale of the range with the smallest of kRangesTried errors, those of the narrowest range first; of equals the
// widest.
SharedScale best_scale(const Format& format, const ValueRange& range, const std::vector<double>& errors);

// The outermost scale under a known range: an integer scale for which the range is that of the outermost codes
// (mode=sym: its absmax), or the float scale or outer scale for the range's absmax.
SharedScale static_scale(const Format& format, const ValueRange& range);

// The outermost scale of a group that is in memory, ignoring NaN and infinity. A percentile interpolates linearly
// between the two nearest ranks, as numpy.percentile does by default. Throws a usage error for a static range, which
// does not depend on the values, and for range=output, which depends on more.
SharedScale scale_of(const Format& format, std::span<const float> group);

// Finds the same scale as scale_of, from a tensor's pieces.
class TensorScaleSearch {
 public:
  explicit TensorScaleSearch(const Format& format);

  int passes() const;

  // Reads a piece in the current pass and returns its sums for end_pass. Thread-safe.
  std::vector<double> look(std::span<const float> piece);

  // Ends a pass. `sums` are the results of look(), in the order of the pieces.
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
