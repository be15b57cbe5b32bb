#include "measure/magnitude_bins.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace fakequant {
namespace {

template <typename Count, typename Edge>
double percentile_of(std::span<const Count> bins, const Edge& upper_edge, double absmax, double percent) {
  const auto total = std::accumulate(bins.begin(), bins.end(), std::int64_t{0});
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto value_of = [&](std::int64_t rank) {
    if (rank == total - 1) return absmax;
    std::size_t bin = 0;
    for (; rank >= static_cast<std::int64_t>(bins[bin]); ++bin) rank -= static_cast<std::int64_t>(bins[bin]);
    const double low = bin == 0 ? 0 : upper_edge(bin - 1), high = std::min(upper_edge(bin), absmax);
    return low + (high - low) * (static_cast<double>(rank) + 0.5) / static_cast<double>(bins[bin]);
  };
  const double rank = percent / 100 * static_cast<double>(total - 1);
  const auto below = static_cast<std::int64_t>(rank);
  const double value = value_of(below), next = value_of(std::min(below + 1, total - 1));
  return value + (rank - static_cast<double>(below)) * (next - value);
}

}  // namespace

std::size_t site_bin_of(float x) {
  const auto magnitude = std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu;
  return ((magnitude + 0xFFFFu) >> 16) + (magnitude >= 0x7F800000u ? 1 : 0);
}

std::size_t channel_bin_of(float x) {
  if (!std::isfinite(x)) return kFiniteQuarters;
  const auto quarter = (site_bin_of(x) + kBinsInQuarter - 1) / kBinsInQuarter;
  const auto first = std::size_t{kFirstQuarter};
  return std::clamp(quarter, first, first + kFiniteQuarters - 1) - first;
}

double upper_edge_of_site_bin(std::size_t bin) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bin) << 16));
}

double upper_edge_of_channel_bin(std::size_t bin) {
  if (bin == kFiniteQuarters - 1) return std::numeric_limits<double>::infinity();
  return upper_edge_of_site_bin((kFirstQuarter + bin) * kBinsInQuarter);
}

double site_percentile(std::span<const std::int64_t> bins, double absmax, double percent) {
  return percentile_of(bins.first(kFiniteBins), upper_edge_of_site_bin, absmax, percent);
}

double channel_percentile(std::span<const std::uint32_t> bins, double absmax, double percent) {
  return percentile_of(bins.first(kFiniteQuarters), upper_edge_of_channel_bin, absmax, percent);
}

}  // namespace fakequant
