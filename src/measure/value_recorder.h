// What passes a site, recorded: the extremes and the distribution of all its values and of each channel's.
//
// One recorder stands at one site and sees its values many times, as whole rows; a channel is a column. Values are
// counted and not added up, so the record is exact in what it counts, and neither the order of the values nor the
// number of threads changes a bit of it. Only the ranges of a history and of a moving average depend on which
// evaluation a value is of. It takes 288 KiB, and 660 bytes a channel.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "format/scale.h"
#include "measure/calibration_result.h"
#include "measure/linear_bins.h"
#include "measure/recorded_range.h"

namespace fakequant {

class ValueRecorder {
 public:
  // `range` says how the range of the record is chosen.
  explicit ValueRecorder(int threads, RecordedRange range = {});

  // Adds whole rows of `columns` values. Where a call has another number of columns than the ones before (as attention
  // scores have, over ever more tokens), there are no channels: theirs is dropped, and the site's is kept. At most 2^32
  // rows in all.
  void record(std::span<const float> values, std::int64_t columns);

  // Ends an evaluation: what was recorded since the last one ended is the newest of the history. One without finite
  // values is none.
  void end_evaluation();

  // The record, but for the site's name and layer. Its range is absmax, the whole one, or the part of it within plus
  // and minus the magnitude that percentile, entropy and mse find, or that of the evaluations that have ended.
  CalibratedSite result() const;

 private:
  void record_channels(std::span<const float> values);
  void record_flat(std::span<const float> values);

  ValueRange chosen_range(double absmax) const;

  int threads_;
  RecordedRange range_;
  bool has_channels_ = true;
  std::int64_t rows_ = 0, columns_ = 0;
  float low_ = std::numeric_limits<float>::infinity(), high_ = -std::numeric_limits<float>::infinity();
  std::vector<std::int64_t> bins_;
  std::vector<float> channel_low_, channel_high_;
  std::vector<std::uint32_t> channel_bins_;  // of each channel, one after another
  LinearBins linear_bins_;                   // where the range is searched in them

  // The extremes of the evaluation under way; low above high where it has none.
  struct Extremes {
    float low = std::numeric_limits<float>::infinity(), high = -std::numeric_limits<float>::infinity();
  };
  Extremes evaluation_;
  std::deque<Extremes> history_;
  std::optional<Extremes> average_;
};

}  // namespace fakequant
