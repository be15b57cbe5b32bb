// A Bayesian model that predicts the divergence of many variants from measurements of a few.
//
// The divergence is quadratic in a small error, and so proportional to the energy e of the local error
// (measure/local_error.h). For a variant of site s, layer l and format f the model is
//
//   kld = exp(log e + m + s + sl + t + st + f + sf + (b + bs) (log e - mean log e) + r) + floor
//
//   m       the sensitivity of the model
//   s, sl   the sensitivity of the site, and of the site in this layer; adjacent layers are correlated
//   t, st   how the first and the last layer differ from those between them, and do at this site
//   f, sf   the effect of the format beyond its energy: its error may be correlated with the values, or rare and large
//   b, bs   the deviation from proportionality where errors are not small
//   r       the residual of the variant
//   floor   the cost of any change, however small: later kernels round their inputs (to F16, to blocks of 8 bits), and
//           values near the midpoint between two codes round differently
//
// The floor is given, and how much layers vary. The other terms have independent normal priors with mean 0 and the
// standard deviations in divergence_law.cc. Each measurement updates them by Bayes' rule: this is linear regression
// with priors, also known as kriging. With a floor the update uses the tangent of the log kld. The same posterior gives
// the variance of each prediction.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace fakequant {

// The predictors of a variant. Sites and formats are numbered from 0.
struct VariantTraits {
  int site = 0;
  int layer = -1;       // -1: not in a single layer
  bool is_end = false;  // the first or the last layer of the model
  int format = 0;
  double log_error = 0;  // log of the energy of the local error, which must be above 0
};

// How much the sensitivity of a site varies from layer to layer, apart from the first and the last.
struct LayerVariation {
  double deviation = 0.9;  // the standard deviation of sl
  double distance = 1;     // sl of two layers correlate by exp(-their distance / this)
};

// The distribution of log kld.
struct LogDivergence {
  double mean = 0;
  double variance = 0;
};

class DivergenceLaw {
 public:
  explicit DivergenceLaw(const std::vector<VariantTraits>& variants, double floor = 0,
                         const LayerVariation& variation = {});

  // Updates the model with a measured log kld whose error has this variance.
  void observe(std::size_t variant, double log_kld, double variance);

  // The log likelihood of all observations, up to a constant.
  double likelihood() const { return likelihood_; }

  // Predicts a variant that was not observed.
  LogDivergence expect(std::size_t variant) const;

  // The decrease of the weighted sum of all variances if this variant were observed.
  double gain(std::size_t variant, double variance, const std::vector<double>& weights) const;

  // Updates the variances as observe() would, and leaves the means: for planning a measurement.
  void foresee(std::size_t variant, double variance);

 private:
  struct Term {
    std::size_t unknown;  // index
    double factor;
  };
  // The covariances of the unknowns with the linear part of the variant's log kld.
  std::vector<double> covariances(std::size_t variant) const;
  // The linear combination of `values`, one for each unknown, by the variant's terms.
  double sum(std::size_t variant, const std::vector<double>& values) const;
  // The fraction of the variant's expected kld above the floor: the slope of log kld in the linear part.
  double share(std::size_t variant) const;
  void update(std::size_t variant, double difference, double variance);

  double floor_, likelihood_ = 0;
  std::vector<double> log_errors_;
  std::vector<std::vector<Term>> terms_;  // by variant
  std::vector<double> mean_;              // of the unknowns
  std::vector<double> covariance_;        // of the unknowns, in row-major order
};

}  // namespace fakequant
