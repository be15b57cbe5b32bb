#include "measure/range_search.h"

#include <cmath>
#include <limits>
#include <vector>

#include "format/fake_quantize.h"

namespace fakequant {
namespace {

constexpr auto kInfinity = std::numeric_limits<double>::infinity();

// Sums over the first bins: sums[i] is over those before bin i.
struct FirstBins {
  std::vector<double> counts, filled, entropies;  // entropies: of count x log(count)

  explicit FirstBins(const std::vector<double>& of_bins) : counts(1), filled(1), entropies(1) {
    for (const double count : of_bins) {
      counts.push_back(counts.back() + count);
      filled.push_back(filled.back() + (count > 0 ? 1 : 0));
      entropies.push_back(entropies.back() + (count > 0 ? count * std::log(count) : 0));
    }
  }
};

// The KL divergence of the first `kept` bins, and all that is beyond in the last, from their `levels` means.
double divergence_of(const std::vector<double>& bins, const FirstBins& first, std::size_t kept, std::size_t levels) {
  const double total = first.counts.back(), beyond = total - first.counts[kept];
  const double last = bins[kept - 1] + beyond;
  if (first.counts[kept] == 0 || (bins[kept - 1] == 0 && beyond > 0)) return kInfinity;
  double entropy = first.entropies[kept - 1] + (last > 0 ? last * std::log(last) : 0);
  for (std::size_t level = 0; level < levels; ++level) {
    // A level begins at the first bin that is not below level / levels of all.
    const auto begin = (level * kept + levels - 1) / levels, end = ((level + 1) * kept + levels - 1) / levels;
    if (begin == end) continue;
    double count = first.counts[end] - first.counts[begin];
    const double filled = first.filled[end] - first.filled[begin];
    if (filled == 0) continue;
    const double mean = std::log(count / filled);
    if (end == kept) count += beyond;
    entropy -= count * mean;
  }
  return entropy / total - std::log(total) + std::log(first.counts[kept]);
}

}  // namespace

std::size_t least_divergent_bins(std::span<const std::int64_t> counts, int bits) {
  if (counts.size() <= kFewestBins) return counts.size();
  std::vector<double> bins(counts.begin(), counts.end());
  bins[0] = bins[1];
  const FirstBins first(bins);
  const auto levels = std::size_t{1} << (bits - 1);
  double least = kInfinity;
  auto best = bins.size();
  for (auto kept = kFewestBins; kept <= bins.size(); ++kept) {
    const double divergence = divergence_of(bins, first, kept, levels);
    if (divergence > least) continue;
    least = divergence;
    best = kept;
  }
  return best;
}

double least_error_magnitude(std::span<const std::int64_t> counts, double width, const Format& format) {
  std::vector<float> centers;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    centers.push_back(static_cast<float>((static_cast<double>(i) + 0.5) * width));
  }
  if (counts.size() <= kFewestBins) return static_cast<double>(counts.size()) * width;
  double least = kInfinity;
  double best = centers.back();
  auto tried = format;
  for (auto i = kFewestBins; i < centers.size(); ++i) {
    tried.range.magnitude = centers[i];
    auto rounded = centers;
    round_values(tried, rounded);
    double error2 = 0;
    for (std::size_t k = 0; k < centers.size(); ++k) {
      const double error = static_cast<double>(rounded[k]) - static_cast<double>(centers[k]);
      error2 += static_cast<double>(counts[k]) * error * error;
    }
    if (error2 >= least) continue;
    least = error2;
    best = centers[i];
  }
  return best;
}

}  // namespace fakequant
