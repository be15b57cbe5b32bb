// What passes a site, recorded: the extremes and the distribution of all its values and of each channel's.
//
// One recorder stands at one site and sees its values many times, as whole rows; a channel is a column. Values are
// counted and not added up, so the record is exact in what it counts, and neither the order of the values nor the
// number of threads changes a bit of it. It takes 256 KiB, and 660 bytes a channel.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "format/format.h"
#include "measure/calibration_result.h"

namespace fakequant {

class ValueRecorder {
 public:
  explicit ValueRecorder(int threads);

  // Adds whole rows of `columns` values. Where a call has another number of columns than the ones before (as attention
  // scores have, over ever more tokens), there are no channels: theirs is dropped, and the site's is kept. At most 2^32
  // rows in all.
  void record(std::span<const float> values, std::int64_t columns);

  // The record, but for the site's name and layer. `range` says which range is static:'s: absmax, the whole one, or
  // percentile:P, the part of it within plus and minus that percentile of the magnitudes.
  CalibratedSite result(const RangeRule& range) const;

 private:
  void record_channels(std::span<const float> values);
  void record_flat(std::span<const float> values);

  int threads_;
  bool has_channels_ = true;
  std::int64_t rows_ = 0, columns_ = 0;
  float low_ = std::numeric_limits<float>::infinity(), high_ = -std::numeric_limits<float>::infinity();
  std::vector<std::int64_t> bins_;
  std::vector<float> channel_low_, channel_high_;
  std::vector<std::uint32_t> channel_bins_;  // of each channel, one after another
};

// Throws a usage error when the range is none that a record can give: it takes absmax or percentile:P.
void check_recorded_range(const RangeRule& range);

}  // namespace fakequant
