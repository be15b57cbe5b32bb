// How `calibrate` chooses a site's range from what it records there.
#pragma once

#include <string>
#include <string_view>

#include "format/format.h"

namespace fakequant {

// The bits of integers that entropy is about, and the largest history that is kept.
inline constexpr int kFewestEntropyBits = 2, kMostEntropyBits = 8, kLongestHistory = 1 << 20;

struct RecordedRange {
  enum Kind {
    absmax,      // of all values
    percentile,  // of their magnitudes
    entropy,     // under which the magnitudes' distribution changes least (range_search.h)
    mse,         // under which the squared error is smallest (range_search.h)
    history,     // the widest of the last evaluations'
    average,     // the moving average of the evaluations'
  } kind = absmax;
  double percent = 100;  // for percentile
  int bits = 8;          // of integers, for entropy
  Format format = {};    // that rounds, for mse: with a fixed range
  int evaluations = 0;   // for history
  double weight = 0;     // of the newest evaluation, for average

  bool operator==(const RecordedRange&) const = default;
};

// Reads "absmax", "percentile:99.9", "entropy", "entropy:4", "mse", "mse:FORMAT", "history:16" or "average:0.01".
// Throws a usage error for any other.
RecordedRange parse_recorded_range(std::string_view text);
std::string to_string(const RecordedRange& range);

}  // namespace fakequant
