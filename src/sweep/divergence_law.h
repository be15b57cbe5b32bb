// The divergence of many variants from that of a few: a law in which what is not known of sites, layers and formats are
// numbers, each with a likely size, and every measured variant makes them surer.
//
// A small error does to the output a divergence that is quadratic in it, and so proportional to the local error's
// energy e (measure/local_error.h). Hence for a variant of site s, layer l and format f
//
//   kld = exp(log e + m + s + sl + f + sf + (b + bs) (log e - its mean) + r) + floor
//
// m is how much the model minds at all; s and sl how much it minds an error at this site, and in this layer (neighbours
// are alike); f and sf what the format's error has beyond its energy (it goes along with the values, it is rare and
// large); b and bs bend the law where errors are no longer small; r is the rest, each variant's own. The floor is what
// any change costs, however small: further on kernels round what they read (to F16, to blocks of 8 bits), and what lay
// near the middle between two codes goes the other way. All but the floor, which is given, are taken for normal,
// independent and 0 on average, of the sizes in divergence_law.cc, and updated by the rule of Bayes (linear regression
// with priors, also known as kriging; where the floor counts, along the tangent). What is told of a variant has an
// error bar that follows from the same.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace fakequant {

// A variant as the law sees it. Sites, groups and formats are numbered from 0.
struct VariantTraits {
  int site = 0;
  int layer = -1;  // -1: it has none of its own
  int format = 0;
  double log_error = 0;  // log of its local error, which is above 0
};

// Of log kld.
struct LogDivergence {
  double mean = 0;
  double variance = 0;
};

class DivergenceLaw {
 public:
  explicit DivergenceLaw(const std::vector<VariantTraits>& variants, double floor = 0);

  // A variant was found to have this log kld, with an error of this variance.
  void observe(std::size_t variant, double log_kld, double variance);

  // The logarithm of the probability density with which all that was observed was expected, each from those before it.
  double likelihood() const { return likelihood_; }

  // What is to be expected of a variant that was not observed.
  LogDivergence expect(std::size_t variant) const;

  // By how much the variances of all variants, each times its weight, would become less by observing this one.
  double gain(std::size_t variant, double variance, const std::vector<double>& weights) const;

  // As observe(), where what will be found is not known yet: makes surer, and leaves what is expected.
  void foresee(std::size_t variant, double variance);

 private:
  struct Term {
    std::size_t place;
    double factor;
  };
  // The covariances of the unknowns with a variant's log kld; and its variance, but for its own rest.
  std::vector<double> covariances(std::size_t variant) const;
  double sum(std::size_t variant, const std::vector<double>& values) const;
  // Which part of its kld is not the floor.
  double share(std::size_t variant) const;
  void update(std::size_t variant, double difference, double variance);

  double floor_, likelihood_ = 0;
  std::vector<double> log_errors_;
  std::vector<std::vector<Term>> terms_;  // of each variant
  std::vector<double> mean_;              // of the unknowns
  std::vector<double> covariance_;        // row by row
};

}  // namespace fakequant
