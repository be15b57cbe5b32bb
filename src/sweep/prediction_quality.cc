#include "sweep/prediction_quality.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace fakequant {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Counted from 0.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    auto end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (auto i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 3) return kNone;
  const auto of_a = ranks_of(a), of_b = ranks_of(b);
  const double mean = static_cast<double>(a.size() - 1) / 2;
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    aa += (of_a[i] - mean) * (of_a[i] - mean);
    bb += (of_b[i] - mean) * (of_b[i] - mean);
    ab += (of_a[i] - mean) * (of_b[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : kNone;
}

PredictionQuality quality_of(const std::vector<PredictedAndMeasured>& variants) {
  PredictionQuality quality;
  std::vector<double> predicted, measured, errors;
  int within = 0;
  for (const auto& variant : variants) {
    predicted.push_back(variant.predicted);
    measured.push_back(variant.measured);
    within += variant.low <= variant.measured && variant.measured <= variant.high;
    if (variant.measured > 0) errors.push_back(std::fabs(variant.predicted - variant.measured) / variant.measured);
  }
  quality.compared = static_cast<int>(variants.size());
  quality.rank_correlation = rank_correlation(predicted, measured);
  std::sort(errors.begin(), errors.end());
  const auto half = errors.size() / 2;
  quality.median_error = errors.empty()           ? kNone
                         : errors.size() % 2 == 1 ? errors[half]
                                                  : (errors[half - 1] + errors[half]) / 2;
  quality.largest_error = errors.empty() ? kNone : errors.back();
  quality.within = variants.empty() ? kNone : static_cast<double>(within) / static_cast<double>(variants.size());
  return quality;
}

}  // namespace fakequant
