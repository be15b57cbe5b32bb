#include "measure/paired_ratio.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "measure/score_statistics.h"

namespace fakequant {
namespace {

// The rank, from 1, of the sorted value at which the interval begins; it ends at the same rank from above. The largest
// k with P(Binomial(count, 1/2) < k) <= 0.025; 0 where count is below kFewestPairs and there is none.
std::size_t first_rank(std::size_t count) {
  const auto n = static_cast<double>(count);
  double below = 0;
  for (std::size_t k = 0; k < count / 2; ++k) {
    const auto i = static_cast<double>(k);
    below += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) - n * std::log(2));
    if (below > 0.025) return k;
  }
  return count / 2;
}

}  // namespace

double median(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile(sorted, 0.5);
}

PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < variant.size(); ++i) ratios.push_back(variant[i] / baseline[i]);
  std::sort(ratios.begin(), ratios.end());
  const auto cut = std::max<std::size_t>(first_rank(ratios.size()), 1) - 1;
  return {quantile(ratios, 0.5), ratios[cut], ratios[ratios.size() - 1 - cut]};
}

}  // namespace fakequant
