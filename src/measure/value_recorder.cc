#include "measure/value_recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

#include "error.h"
#include "measure/magnitude_bins.h"
#include "measure/range_search.h"
#include "parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "measure/value_recorder.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#ifndef FAKEQUANT_MEASURE_VALUE_RECORDER_ONCE_
#define FAKEQUANT_MEASURE_VALUE_RECORDER_ONCE_
namespace fakequant {
namespace {

// Columns that are recorded together, row after row: so few that their bins stay in the first-level cache.
constexpr std::size_t kTileColumns = 64;
constexpr std::size_t kMostLanes = 16;

// A part of the rows' columns, and where it is recorded.
struct Tile {
  const float* values = nullptr;  // of the first row
  std::size_t rows = 0;
  std::size_t stride = 0;  // from one row to the next
  std::size_t columns = 0;
  std::int64_t* bins = nullptr;
  std::uint32_t* channel_bins = nullptr;  // of its first column, or null
};

// The extremes of a tile's columns; infinite the other way round where a column has no finite value. Vectors reach
// beyond its last column.
struct TileRange {
  alignas(64) std::array<float, kTileColumns + kMostLanes> low;
  alignas(64) std::array<float, kTileColumns + kMostLanes> high;
};

}  // namespace
}  // namespace fakequant
#endif

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F = hn::CappedTag<float, kMostLanes>;
using I = hn::RebindToSigned<F>;
using U = hn::RebindToUnsigned<F>;

// Both bins of each value, as site_bin_of and channel_bin_of have them: the site's in the lower 16 bits, the channel's
// in the upper. Widens low and high by the finite values.
HWY_INLINE hn::Vec<U> bins_of(hn::Vec<F> x, float* HWY_RESTRICT low, float* HWY_RESTRICT high) {
  const F f;
  const I i32;
  const U u32;
  const auto infinity = hn::Set(f, std::numeric_limits<float>::infinity());
  const auto magnitude = hn::BitCast(i32, hn::Abs(x));
  const auto not_finite = hn::Gt(magnitude, hn::Set(i32, 0x7F7FFFFF));
  const auto not_finite_floats = hn::RebindMask(f, not_finite);
  hn::Store(hn::Min(hn::Load(f, low), hn::IfThenElse(not_finite_floats, infinity, x)), f, low);
  hn::Store(hn::Max(hn::Load(f, high), hn::IfThenElse(not_finite_floats, hn::Neg(infinity), x)), f, high);

  const auto above = hn::Add(hn::BitCast(u32, magnitude), hn::Set(u32, 0xFFFFu));
  const auto upper = hn::BitCast(i32, hn::ShiftRight<16>(above));
  const auto site = hn::Sub(upper, hn::VecFromMask(i32, not_finite));  // as a number, true is -1
  const auto quarter =
      hn::Sub(hn::ShiftRight<5>(hn::Add(upper, hn::Set(i32, kBinsInQuarter - 1))), hn::Set(i32, kFirstQuarter));
  const auto last = hn::Set(i32, static_cast<std::int32_t>(kFiniteQuarters - 1));
  const auto finite_quarter = hn::Min(hn::Max(quarter, hn::Zero(i32)), last);
  const auto channel =
      hn::IfThenElse(not_finite, hn::Set(i32, static_cast<std::int32_t>(kFiniteQuarters)), finite_quarter);
  return hn::BitCast(u32, hn::Or(site, hn::ShiftLeft<16>(channel)));
}

template <bool has_channels>
void record_tile_of(const Tile& tile, TileRange& range) {
  const F f;
  const U u32;
  const std::size_t lanes = hn::Lanes(f);
  const std::size_t whole = tile.columns / lanes * lanes;
  alignas(64) std::array<std::uint32_t, kTileColumns + kMostLanes> bins;
  alignas(64) std::array<float, kMostLanes> rest{};
  constexpr std::size_t kRowsAhead = 4, kCacheLine = 16;
  for (std::size_t r = 0; r < tile.rows; ++r) {
    const float* const row = tile.values + r * tile.stride;
    if (r + kRowsAhead < tile.rows) {
      for (std::size_t i = 0; i < tile.columns; i += kCacheLine) hwy::Prefetch(row + kRowsAhead * tile.stride + i);
    }
    for (std::size_t i = 0; i < whole; i += lanes) {
      hn::Store(bins_of(hn::LoadU(f, row + i), &range.low[i], &range.high[i]), u32, &bins[i]);
    }
    if (whole < tile.columns) {
      std::copy(row + whole, row + tile.columns, rest.begin());
      hn::Store(bins_of(hn::Load(f, rest.data()), &range.low[whole], &range.high[whole]), u32, &bins[whole]);
    }
    std::uint32_t* channel = tile.channel_bins;
    for (std::size_t i = 0; i < tile.columns; ++i) {
      ++tile.bins[bins[i] & 0xFFFFu];
      if constexpr (has_channels) {
        ++channel[bins[i] >> 16];
        channel += kChannelBins;
      }
    }
  }
}

void record_tile(const Tile& tile, TileRange& range) {
  if (tile.channel_bins != nullptr) {
    record_tile_of<true>(tile, range);
  } else {
    record_tile_of<false>(tile, range);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(record_tile);

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr auto kNan = std::numeric_limits<double>::quiet_NaN();

// Waking another thread and adding up its bins costs more than recording fewer values.
constexpr std::int64_t kWorthSharing = 1 << 18;

// Calls work(begin, end, bins) for parts of [0, units), a unit being `values_of_unit` values, on several threads. Each
// thread has bins of its own, which are added to `bins` at the end.
template <typename Work>
void split(std::int64_t units, std::int64_t values_of_unit, int threads, std::vector<std::int64_t>& bins,
           const Work& work) {
  const auto pieces = std::min({units, std::int64_t{threads}, units * values_of_unit / kWorthSharing});
  if (pieces < 2) {
    work(0, units, bins.data());
    return;
  }
  std::mutex mutex;
  parallel_for(pieces, threads, [&](std::int64_t piece) {
    std::vector<std::int64_t> own(bins.size());
    work(units * piece / pieces, units * (piece + 1) / pieces, own.data());
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < own.size(); ++i) bins[i] += own[i];
  });
}

double widened(float x) { return static_cast<double>(x) + 0.0; }  // + 0: which of 0 and -0 came first says nothing

}  // namespace

ValueRecorder::ValueRecorder(int threads, RecordedRange range)
    : threads_(threads), range_(std::move(range)), bins_(kSiteBins) {}

void ValueRecorder::record(std::span<const float> values, std::int64_t columns) {
  if (columns < 1 || values.size() % static_cast<std::size_t>(columns) != 0) {
    throw Error(fmt::format("{} values are no whole rows of {}", values.size(), columns));
  }
  if (values.empty()) return;
  if (rows_ == 0) {
    columns_ = columns;
    const auto channels = static_cast<std::size_t>(columns);
    channel_low_.assign(channels, kInfinity);
    channel_high_.assign(channels, -kInfinity);
    channel_bins_.assign(channels * kChannelBins, 0);
  } else if (columns != columns_ && has_channels_) {
    has_channels_ = false;
    channel_low_ = channel_high_ = {};
    channel_bins_ = {};
  }
  rows_ += static_cast<std::int64_t>(values.size()) / columns;
  const float low = std::exchange(low_, kInfinity), high = std::exchange(high_, -kInfinity);
  if (has_channels_) {
    record_channels(values);
  } else {
    record_flat(values);
  }
  evaluation_ = {std::min(evaluation_.low, low_), std::max(evaluation_.high, high_)};
  low_ = std::min(low_, low);
  high_ = std::max(high_, high);
  if (range_.kind == RecordedRange::entropy || range_.kind == RecordedRange::mse) linear_bins_.add(values);
}

void ValueRecorder::end_evaluation() {
  const auto ended = std::exchange(evaluation_, {});
  if (ended.low > ended.high) return;
  if (range_.kind == RecordedRange::history) {
    history_.push_back(ended);
    if (history_.size() > static_cast<std::size_t>(range_.evaluations)) history_.pop_front();
  }
  if (range_.kind != RecordedRange::average) return;
  // Source: PyTorch, MovingAverageMinMaxObserver.
  const auto weight = static_cast<float>(range_.weight);
  const auto moved = [weight](float from, float to) { return from + weight * (to - from); };
  average_ = average_ ? Extremes{moved(average_->low, ended.low), moved(average_->high, ended.high)} : ended;
}

void ValueRecorder::record_channels(std::span<const float> values) {
  const auto columns = static_cast<std::size_t>(columns_), rows = values.size() / columns;
  // Threads share the columns: each channel has one that counts it.
  constexpr std::size_t kUnit = 16;
  std::mutex mutex;
  const auto record_units = [&](std::int64_t begin, std::int64_t end, std::int64_t* bins) {
    float low = kInfinity, high = -kInfinity;
    const auto last = std::min(columns, static_cast<std::size_t>(end) * kUnit);
    for (auto column = static_cast<std::size_t>(begin) * kUnit; column < last; column += kTileColumns) {
      const auto width = std::min(kTileColumns, last - column);
      TileRange range;
      range.low.fill(kInfinity);
      range.high.fill(-kInfinity);
      HWY_DYNAMIC_DISPATCH(record_tile)
      ({values.data() + column, rows, columns, width, bins, channel_bins_.data() + column * kChannelBins}, range);
      for (std::size_t i = 0; i < width; ++i) {
        channel_low_[column + i] = std::min(channel_low_[column + i], range.low[i]);
        channel_high_[column + i] = std::max(channel_high_[column + i], range.high[i]);
        low = std::min(low, range.low[i]);
        high = std::max(high, range.high[i]);
      }
    }
    const std::lock_guard lock(mutex);
    low_ = std::min(low_, low);
    high_ = std::max(high_, high);
  };
  split(static_cast<std::int64_t>((columns + kUnit - 1) / kUnit), static_cast<std::int64_t>(rows * kUnit), threads_,
        bins_, record_units);
}

void ValueRecorder::record_flat(std::span<const float> values) {
  std::mutex mutex;
  const auto record_units = [&](std::int64_t begin, std::int64_t end, std::int64_t* bins) {
    const auto first = static_cast<std::size_t>(begin) * kTileColumns;
    const auto last = std::min(values.size(), static_cast<std::size_t>(end) * kTileColumns);
    const auto rows = (last - first) / kTileColumns, rest = (last - first) % kTileColumns;
    TileRange range;
    range.low.fill(kInfinity);
    range.high.fill(-kInfinity);
    const auto* const data = values.data() + first;
    HWY_DYNAMIC_DISPATCH(record_tile)({data, rows, kTileColumns, kTileColumns, bins, nullptr}, range);
    HWY_DYNAMIC_DISPATCH(record_tile)({data + rows * kTileColumns, 1, rest, rest, bins, nullptr}, range);
    const std::lock_guard lock(mutex);
    low_ = std::min(low_, *std::min_element(range.low.begin(), range.low.begin() + kTileColumns));
    high_ = std::max(high_, *std::max_element(range.high.begin(), range.high.begin() + kTileColumns));
  };
  split(static_cast<std::int64_t>((values.size() + kTileColumns - 1) / kTileColumns), kTileColumns, threads_, bins_,
        record_units);
}

ValueRange ValueRecorder::chosen_range(double absmax) const {
  ValueRange whole;
  whole.widen({low_, high_});
  const auto within = [&whole](double magnitude) {
    const auto bound = static_cast<float>(magnitude);
    return ValueRange{std::max(whole.low, -bound), std::min(whole.high, bound)};
  };
  ValueRange found;
  switch (range_.kind) {
    case RecordedRange::absmax:
      return whole;
    case RecordedRange::percentile:
      return within(site_percentile(bins_, absmax, range_.percent));
    case RecordedRange::entropy: {
      const auto bins = least_divergent_bins(linear_bins_.counts(), range_.bits);
      return within(static_cast<double>(bins) * linear_bins_.width());
    }
    case RecordedRange::mse:
      return within(least_error_magnitude(linear_bins_.counts(), linear_bins_.width(), range_.format));
    case RecordedRange::history:
      for (const auto& [low, high] : history_) found.widen({low, high});
      break;
    case RecordedRange::average:
      if (average_) found.widen({average_->low, average_->high});
      break;
  }
  return found;
}

CalibratedSite ValueRecorder::result() const {
  CalibratedSite site;
  site.rows = rows_;
  site.columns = has_channels_ ? columns_ : 0;
  for (const auto count : bins_) site.elements += count;
  site.zeros = bins_[0];
  site.infs = bins_[kInfinityBin];
  for (auto bin = kFirstNanBin; bin < kSiteBins; ++bin) site.nans += bins_[bin];

  const bool is_empty = low_ > high_;
  site.min = is_empty ? kNan : widened(low_);
  site.max = is_empty ? kNan : widened(high_);
  site.absmax = is_empty ? kNan : std::max(std::fabs(site.min), std::fabs(site.max));
  for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99, 99.999}) {
    site.percentiles.push_back({percent, site_percentile(bins_, site.absmax, percent)});
  }
  if (!is_empty) {
    const auto found = chosen_range(site.absmax);
    site.low = found.low + 0.0f;
    site.high = found.high + 0.0f;
  }
  // 128 bins are an octave; the subnormal floats are one together.
  for (std::size_t octave = 1; octave * 128 - 127 < kFiniteBins; ++octave) {
    OctaveCount counted{static_cast<int>(octave) - 128, 0};
    for (auto bin = octave * 128 - 127; bin <= std::min(octave * 128, kFiniteBins - 1); ++bin) {
      counted.count += bins_[bin];
    }
    if (counted.count > 0) site.octaves.push_back(counted);
  }
  if (!has_channels_) return site;

  auto& channels = site.channels;
  for (std::size_t c = 0; c < channel_low_.size(); ++c) {
    const auto bins = std::span(channel_bins_).subspan(c * kChannelBins, kChannelBins);
    const bool none = channel_low_[c] > channel_high_[c];
    const double min = none ? kNan : widened(channel_low_[c]), max = none ? kNan : widened(channel_high_[c]);
    const double absmax = none ? kNan : std::max(std::fabs(min), std::fabs(max));
    channels.min.push_back(static_cast<float>(min));
    channels.max.push_back(static_cast<float>(max));
    channels.absmax.push_back(static_cast<float>(absmax));
    const auto percentile = [&](double percent) {
      return static_cast<float>(channel_percentile(bins, absmax, percent));
    };
    channels.p50.push_back(percentile(50));
    channels.p99.push_back(percentile(99));
    channels.p999.push_back(percentile(99.9));
    auto& octaves = channels.octaves.emplace_back();
    octaves[0] = bins[0];
    for (std::size_t bin = 1; bin < kFiniteQuarters; ++bin) octaves[(bin + 3) / 4] += bins[bin];
  }
  return site;
}

}  // namespace fakequant
#endif
