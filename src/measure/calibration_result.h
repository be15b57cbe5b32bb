// What `calibrate` records: plain data.
//
// Magnitudes |x| are counted in octaves: the octave with exponent e holds those above 2^e, up to and including 2^(e+1).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gguf/channel_file.h"
#include "weights/hessian_file.h"
#include "weights/importance_sums.h"

namespace fakequant {

struct OctaveCount {
  int exponent = 0;
  std::int64_t count = 0;

  bool operator==(const OctaveCount&) const = default;
};

struct MagnitudePercentile {
  double percent = 0;
  double value = 0;

  bool operator==(const MagnitudePercentile&) const = default;
};

// A channel's octaves: the first takes all that is smaller, zeros too, the last all that is larger.
inline constexpr int kFirstChannelOctave = -27, kLastChannelOctave = 14;
using ChannelOctaves = std::array<std::uint32_t, kLastChannelOctave - kFirstChannelOctave + 1>;

// Of the finite values in each column of a site's rows. Not a number where a column has none.
struct ChannelStatistics {
  std::vector<float> min, max, absmax;
  std::vector<float> p50, p99, p999;  // of |x|, right to a quarter octave between 2^-26 and 2^14
  std::vector<ChannelOctaves> octaves;

  bool operator==(const ChannelStatistics&) const = default;
};

struct CalibratedSite {
  std::string site;           // the node's name, "ffn_norm-3"
  int layer = -1;             // -1 for what belongs to no layer
  std::int64_t rows = 0;      // over all evaluations
  std::int64_t columns = 0;   // 0 where rows had different numbers of them: then there are no channels
  std::int64_t elements = 0;  // all values
  std::int64_t zeros = 0, nans = 0, infs = 0;
  float low = 0, high = 0;  // what range=static: takes: finite, low <= 0 <= high
  // Of the finite values; not a number where there is none.
  double min = 0, max = 0, absmax = 0;
  std::vector<MagnitudePercentile> percentiles;  // right to 0.8 %, the width of a bin
  std::vector<OctaveCount> octaves;              // of the finite values other than 0, the empty ones left out
  ChannelStatistics channels;

  bool operator==(const CalibratedSite&) const = default;
};

struct CalibrationResult {
  std::string model;
  std::string text;
  std::string text_sample;  // which the files keep (text_windows.h)
  int ctx_size = 0;
  int chunks = 0;
  std::int64_t tokens = 0;  // that were evaluated
  std::string range;        // how low and high were chosen: "absmax", "percentile:99.9"
  std::vector<CalibratedSite> sites;
  std::optional<ImportanceSums> importance;  // where it was asked for
  std::optional<HessianSums> hessians;       // likewise
  std::optional<ChannelRecord> channels;     // likewise
};

}  // namespace fakequant
