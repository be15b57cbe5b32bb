#include "measure/paired_ratio.h"

#include <algorithm>
#include <random>
#include <vector>

#include "measure/score_statistics.h"

namespace fakequant {

double median(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile(sorted, 0.5);
}

PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < variant.size(); ++i) ratios.push_back(variant[i] / baseline[i]);

  constexpr int kResamples = 4000;
  std::mt19937 random(1);  // the same times give the same interval
  std::uniform_int_distribution<std::size_t> any(0, ratios.size() - 1);
  std::vector<double> medians, sample(ratios.size());
  for (int r = 0; r < kResamples; ++r) {
    for (auto& value : sample) value = ratios[any(random)];
    medians.push_back(median(sample));
  }
  std::sort(medians.begin(), medians.end());
  return {median(ratios), quantile(medians, 0.025), quantile(medians, 0.975)};
}

}  // namespace fakequant
