// Counting magnitudes in bins, finely for a site and coarsely for a channel, and reading percentiles off the counts.
//
// The upper 16 bits of a float's magnitude order it among all floats: its exponent and 7 bits of its mantissa. A bin
// holds what lies above one such value, the bin's lower edge, up to and including the next, so that 0 has a bin to
// itself. A bin is 2^-7 of the power of two below it wide, 0.4 % to 0.8 % of its values. 32 of them are a quarter
// octave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fakequant {

// A site's bins. Bin 0 is 0; what is not finite comes after all that is.
inline constexpr std::size_t kFiniteBins = 0x7F81, kInfinityBin = 0x7F81, kFirstNanBin = 0x7F82;
inline constexpr std::size_t kSiteBins = 0x8002;

// A channel's bins: 0 takes magnitudes up to 2^-26, the last those above 2^14; a quarter octave is linear in itself,
// its edges 1, 1.25, 1.5 and 1.75 times a power of two. One more takes what is not finite.
inline constexpr int kSmallestQuarterExponent = -26, kLargestQuarterExponent = 14;
inline constexpr std::size_t kFiniteQuarters = 4 * (kLargestQuarterExponent - kSmallestQuarterExponent) + 2;
inline constexpr std::size_t kChannelBins = kFiniteQuarters + 1;

// How many of a site's bins are a quarter octave, and which quarter of all that float32 has ends at 2^-26.
inline constexpr std::size_t kBinsInQuarter = 32;
inline constexpr int kFirstQuarter = 4 * (127 + kSmallestQuarterExponent);

// The bins of a value: the definition.
std::size_t site_bin_of(float x);
std::size_t channel_bin_of(float x);

// The largest magnitude that a finite bin holds; infinity for the largest bin of each kind.
double upper_edge_of_site_bin(std::size_t bin);
double upper_edge_of_channel_bin(std::size_t bin);

// The percentile of the finite magnitudes, linear between the two nearest ranks as numpy.percentile has it, where a
// bin's values are taken to lie evenly in it; the largest of all is `absmax`. So each rank's value is right to its
// bin's width. Not a number where nothing was counted.
double site_percentile(std::span<const std::int64_t> bins, double absmax, double percent);
double channel_percentile(std::span<const std::uint32_t> bins, double absmax, double percent);

}  // namespace fakequant
