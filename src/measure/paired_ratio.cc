#include "measure/paired_ratio.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "measure/score_statistics.h"

namespace fakequant {
namespace {

constexpr double kTrimmed = 0.2;  // at each end
constexpr int kResamples = 1999;  // with which the 95 % quantile is one of them: the 1900th
constexpr int kConfident = 1900;

struct TrimmedMean {
  double mean = 0;
  double error = 0;  // standard error, from the winsorized variance
};

// Reorders the values.
TrimmedMean trimmed_mean(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  const auto cut = static_cast<std::ptrdiff_t>(kTrimmed * count);
  const auto first = values.begin() + cut, end = values.end() - cut;
  double sum = 0;
  for (auto value = first; value != end; ++value) sum += *value;
  // Winsorized: what is cut off counts as the last value that is left.
  const double low = *first, high = *(end - 1), ends = static_cast<double>(cut);
  const double middle = (sum + ends * (low + high)) / count;
  double squares = ends * ((low - middle) * (low - middle) + (high - middle) * (high - middle));
  for (auto value = first; value != end; ++value) squares += (*value - middle) * (*value - middle);
  return {sum / static_cast<double>(end - first), std::sqrt(squares / (count - 1) / count) / (1 - 2 * ends / count)};
}

// How many standard errors the trimmed mean of a resampled set is off, at most, with 95 % confidence.
double confident_errors(const std::vector<double>& values, double mean) {
  std::mt19937_64 random(1);  // the same times give the same interval
  std::vector<double> off, resampled(values.size());
  for (int i = 0; i < kResamples; ++i) {
    for (auto& value : resampled) value = values[random() % values.size()];
    const auto found = trimmed_mean(resampled);
    const double distance = std::fabs(found.mean - mean);
    off.push_back(distance == 0 ? 0 : distance / found.error);  // infinite where the set holds one value only
  }
  const auto confident = off.begin() + kConfident - 1;
  std::nth_element(off.begin(), confident, off.end());
  return *confident;
}

}  // namespace

double median(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile(sorted, 0.5);
}

PairedRatio paired_ratio(std::span<const double> variant, std::span<const double> baseline) {
  std::vector<double> logarithms;
  for (std::size_t i = 0; i < variant.size(); ++i) logarithms.push_back(std::log(variant[i] / baseline[i]));
  const auto [mean, error] = trimmed_mean(logarithms);
  const double least = logarithms.front(), most = logarithms.back();
  double low = least, high = most;
  if (logarithms.size() > kFewestPairs && error > 0) {
    const double reach = confident_errors(logarithms, mean) * error;
    low = std::max(least, mean - reach);
    high = std::min(most, mean + reach);
  }
  return {std::exp(mean), std::exp(low), std::exp(high)};
}

}  // namespace fakequant
