#include "sweep/divergence_law.h"

#include <cmath>
#include <map>
#include <utility>

namespace fakequant {
namespace {

// Standard deviations, of natural logarithms: 0.7 is a factor of two. How they were found is in docs/prediction.md.
constexpr double kLevel = 10;        // m: anything
constexpr double kSite = 0.5;        // s
constexpr double kLayer = 1.5;       // sl,
constexpr double kLayersAlike = 1;   // correlated by exp(-distance / this)
constexpr double kFormat = 0.2;      // f
constexpr double kSiteFormat = 0.1;  // sf
constexpr double kSlope = 0.05;      // b
constexpr double kSiteSlope = 0.03;  // bs
constexpr double kRest = 0.3;        // r

}  // namespace

DivergenceLaw::DivergenceLaw(const std::vector<VariantTraits>& variants, double floor)
    : floor_(floor), terms_(variants.size()) {
  double centre = 0;
  for (const auto& variant : variants) centre += variant.log_error / static_cast<double>(variants.size());
  // The unknowns, in the order in which they are first met, and the variance of each.
  std::vector<double> variances;
  std::map<std::pair<int, int>, std::size_t> layers;  // by site and layer
  const auto unknown = [&](auto& places, const auto& key, double deviation) {
    const auto [found, is_new] = places.try_emplace(key, variances.size());
    if (is_new) variances.push_back(deviation * deviation);
    return found->second;
  };
  std::map<int, std::size_t> level, sites, formats, slope, site_slopes;
  std::map<std::pair<int, int>, std::size_t> site_formats;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const auto& [site, layer, format, log_error] = variants[v];
    const double distance = log_error - centre;
    log_errors_.push_back(log_error);
    terms_[v] = {{unknown(level, 0, kLevel), 1},
                 {unknown(sites, site, kSite), 1},
                 {unknown(layers, std::pair(site, layer), kLayer), 1},
                 {unknown(formats, format, kFormat), 1},
                 {unknown(site_formats, std::pair(site, format), kSiteFormat), 1},
                 {unknown(slope, 0, kSlope), distance},
                 {unknown(site_slopes, site, kSiteSlope), distance}};
  }
  const auto count = variances.size();
  mean_.assign(count, 0);
  covariance_.assign(count * count, 0);
  for (std::size_t i = 0; i < count; ++i) covariance_[i * count + i] = variances[i];
  for (const auto& [a, i] : layers) {
    for (const auto& [b, j] : layers) {
      if (a.first != b.first || a.second < 0 || b.second < 0) continue;
      covariance_[i * count + j] = kLayer * kLayer * std::exp(-std::abs(a.second - b.second) / kLayersAlike);
    }
  }
}

std::vector<double> DivergenceLaw::covariances(std::size_t variant) const {
  const auto count = mean_.size();
  std::vector<double> result(count);
  for (const auto& term : terms_[variant]) {
    const auto* row = covariance_.data() + term.place * count;
    for (std::size_t i = 0; i < count; ++i) result[i] += term.factor * row[i];
  }
  return result;
}

double DivergenceLaw::sum(std::size_t variant, const std::vector<double>& values) const {
  double result = 0;
  for (const auto& term : terms_[variant]) result += term.factor * values[term.place];
  return result;
}

double DivergenceLaw::share(std::size_t variant) const {
  if (floor_ == 0) return 1;
  const double above = std::exp(log_errors_[variant] + sum(variant, mean_));
  return above / (above + floor_);
}

void DivergenceLaw::update(std::size_t variant, double difference, double variance) {
  auto with = covariances(variant);
  const double slope = share(variant);
  for (auto& value : with) value *= slope;
  const double whole = slope * sum(variant, with) + kRest * kRest + variance;
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
  const double above = log_errors_[variant] + sum(variant, mean_), slope = share(variant);
  return {floor_ == 0 ? above : std::log(std::exp(above) + floor_),
          slope * slope * sum(variant, covariances(variant)) + kRest * kRest};
}

double DivergenceLaw::gain(std::size_t variant, double variance, const std::vector<double>& weights) const {
  const auto with = covariances(variant);
  const double whole = sum(variant, with) + kRest * kRest + variance;
  double gain = 0;
  for (std::size_t v = 0; v < terms_.size(); ++v) {
    const double common = sum(v, with);
    gain += weights[v] * common * common / whole;
  }
  return gain;
}

}  // namespace fakequant
