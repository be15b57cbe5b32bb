// From the scores of single predictions to perplexity and divergence, with their errors.
//
// The estimators are llama-perplexity's (tools/perplexity/perplexity.cpp of llama.cpp, kl_divergence()), in double. The
// predictions of a chunk are summed first, then the chunks in their order. So a figure depends neither on threads nor
// on what else was measured with it, and sums that were stored can be added to later.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "measure/score_quantities.h"

namespace fakequant {

// The sums of a chunk's predictions.
ScoreSums sum_of(std::span<const TokenScore> scores);

// The figures that follow from the sums alone: of the quantiles only a maximum that was summed; the others are NaN. A
// maximum below 0, which is a rounding error of a divergence, counts as 0.
DivergenceFigures figures_of(const ScoreSums& sums);

// Of a variant that has none: all are NaN.
DivergenceFigures no_figures();

// Sums over the baseline's predictions of one or more chunks.
struct BaselineSums {
  std::int64_t count = 0;
  Moments nll;

  void add(const BaselineSums& other);
};

// The sums of a chunk, from the logarithms of the probabilities of the actual next tokens.
BaselineSums sum_of_baseline(std::span<const double> log_p);

// Sums, and the values of the quantities whose quantiles are shown.
class ScoreStatistics {
 public:
  // Adds the predictions of a chunk, or of other chunks.
  void add(std::span<const TokenScore> scores);
  void add(const ScoreStatistics& other);

  DivergenceFigures figures() const;
  const ScoreSums& sums() const { return sums_; }

 private:
  ScoreSums sums_;
  std::array<std::vector<double>, kScoreQuantities.size()> values_;  // empty for quantities without quantiles
};

// exp of the mean of -log_p, and its standard error by the delta method.
Estimate perplexity(const Moments& nll, std::int64_t count);

// The value below which a fraction of the sorted values lies, interpolated linearly; NaN for no values.
double quantile(std::span<const double> sorted, double fraction);

}  // namespace fakequant
