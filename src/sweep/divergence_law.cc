#include "sweep/divergence_law.h"

#include <cmath>
#include <map>
#include <utility>

namespace fakequant {
namespace {

// Prior standard deviations of natural logarithms: 0.7 is a factor of two. docs/prediction.md says how they were found.
constexpr double kLevel = 10;        // m: uninformative
constexpr double kSite = 0.5;        // s
constexpr double kEnd = 1.5;         // t
constexpr double kSiteEnd = 0.5;     // st
constexpr double kFormat = 0.2;      // f
constexpr double kSiteFormat = 0.1;  // sf
constexpr double kSlope = 0.05;      // b
constexpr double kSiteSlope = 0.03;  // bs
constexpr double kResidual = 0.3;    // r

}  // namespace

DivergenceLaw::DivergenceLaw(const std::vector<VariantTraits>& variants, double floor, const LayerVariation& variation)
    : floor_(floor), terms_(variants.size()) {
  double centre = 0;
  for (const auto& variant : variants) centre += variant.log_error / static_cast<double>(variants.size());
  std::vector<double> variances;                      // of the unknowns, in the order of their first use
  std::map<std::pair<int, int>, std::size_t> layers;  // by site and layer
  const auto unknown = [&](auto& indices, const auto& key, double deviation) {
    const auto [found, is_new] = indices.try_emplace(key, variances.size());
    if (is_new) variances.push_back(deviation * deviation);
    return found->second;
  };
  std::map<int, std::size_t> level, sites, ends, formats, slope, site_slopes;
  std::map<std::pair<int, int>, std::size_t> site_ends, site_formats;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const auto& [site, layer, is_end, format, log_error] = variants[v];
    const double distance = log_error - centre;
    log_errors_.push_back(log_error);
    terms_[v] = {{unknown(level, 0, kLevel), 1},
                 {unknown(sites, site, kSite), 1},
                 {unknown(layers, std::pair(site, layer), variation.deviation), 1},
                 {unknown(formats, format, kFormat), 1},
                 {unknown(site_formats, std::pair(site, format), kSiteFormat), 1},
                 {unknown(slope, 0, kSlope), distance},
                 {unknown(site_slopes, site, kSiteSlope), distance}};
    if (!is_end) continue;
    terms_[v].push_back({unknown(ends, layer, kEnd), 1});
    terms_[v].push_back({unknown(site_ends, std::pair(site, layer), kSiteEnd), 1});
  }
  const auto count = variances.size();
  mean_.assign(count, 0);
  covariance_.assign(count * count, 0);
  for (std::size_t i = 0; i < count; ++i) covariance_[i * count + i] = variances[i];
  for (const auto& [a, i] : layers) {
    for (const auto& [b, j] : layers) {
      if (a.first != b.first || a.second < 0 || b.second < 0) continue;
      covariance_[i * count + j] =
          variation.deviation * variation.deviation * std::exp(-std::abs(a.second - b.second) / variation.distance);
    }
  }
}

std::vector<double> DivergenceLaw::covariances(std::size_t variant) const {
  const auto count = mean_.size();
  std::vector<double> result(count);
  for (const auto& term : terms_[variant]) {
    const auto* row = covariance_.data() + term.unknown * count;
    for (std::size_t i = 0; i < count; ++i) result[i] += term.factor * row[i];
  }
  return result;
}

double DivergenceLaw::sum(std::size_t variant, const std::vector<double>& values) const {
  double result = 0;
  for (const auto& term : terms_[variant]) result += term.factor * values[term.unknown];
  return result;
}

double DivergenceLaw::share(std::size_t variant) const {
  if (floor_ == 0) return 1;
  const double above_floor = std::exp(log_errors_[variant] + sum(variant, mean_));
  return above_floor / (above_floor + floor_);
}

void DivergenceLaw::update(std::size_t variant, double difference, double variance) {
  auto with = covariances(variant);
  const double slope = share(variant);
  for (auto& value : with) value *= slope;
  const double whole = slope * sum(variant, with) + kResidual * kResidual + variance;
  likelihood_ -= (difference * difference / whole + std::log(whole)) / 2;
  const auto count = mean_.size();
  for (std::size_t i = 0; i < count; ++i) {
    mean_[i] += with[i] * difference / whole;
    for (std::size_t j = 0; j < count; ++j) covariance_[i * count + j] -= with[i] * with[j] / whole;
  }
}

void DivergenceLaw::observe(std::size_t variant, double log_kld, double variance) {
  update(variant, log_kld - expect(variant).mean, variance);
}

void DivergenceLaw::foresee(std::size_t variant, double variance) { update(variant, 0, variance); }

LogDivergence DivergenceLaw::expect(std::size_t variant) const {
  const double linear = log_errors_[variant] + sum(variant, mean_), slope = share(variant);
  return {floor_ == 0 ? linear : std::log(std::exp(linear) + floor_),
          slope * slope * sum(variant, covariances(variant)) + kResidual * kResidual};
}

double DivergenceLaw::gain(std::size_t variant, double variance, const std::vector<double>& weights) const {
  const auto with = covariances(variant);
  const double whole = sum(variant, with) + kResidual * kResidual + variance;
  double gain = 0;
  for (std::size_t v = 0; v < terms_.size(); ++v) {
    const double common = sum(v, with);
    gain += weights[v] * common * common / whole;
  }
  return gain;
}

}  // namespace fakequant
