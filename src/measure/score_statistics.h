// From the scores of single predictions to perplexity and divergence, with their errors.
//
// The estimators are llama-perplexity's (tools/perplexity/perplexity.cpp of llama.cpp, kl_divergence()), in double. A
// chunk's predictions become sums, and the chunks' sums are added in the chunks' order: so a figure depends on neither
// threads nor on what else was measured beside it, and sums that were kept can be added to later.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "measure/eval_result.h"
#include "measure/token_score.h"

namespace fakequant {

// The sums of a quantity and of its square.
struct Moments {
  double sum = 0, sum2 = 0;

  void add(double x);
  void add(const Moments& other);
  // The mean of `count` values and its standard error.
  Estimate mean(std::int64_t count) const;
};

// What the predictions of a chunk, or of several, add up to. nll is -log p of the token that came, in nats; delta_p the
// change of its probability.
struct ScoreSums {
  std::int64_t count = 0;
  Moments nll, nll_baseline, nll_change, kld, delta_p, delta_p2;
  std::int64_t same_top = 0, top5_common = 0, top10_common = 0;

  void add(const TokenScore& score);
  void add(const ScoreSums& other);
};

// The sums of a chunk's predictions.
ScoreSums sum_of(std::span<const TokenScore> scores);

// The figures that follow from the sums alone: all but the quantiles, which are not numbers.
DivergenceFigures figures_of(const ScoreSums& sums);

// What the baseline's predictions of a chunk, or of several, add up to.
struct BaselineSums {
  std::int64_t count = 0;
  Moments nll;

  void add(const BaselineSums& other);
};

// Of a chunk, from the logarithms of the probabilities of the tokens that came.
BaselineSums sum_of_baseline(std::span<const double> log_p);

// The sums, and the values whose quantiles are asked for.
class ScoreStatistics {
 public:
  // Adds the predictions of a chunk, or of other chunks.
  void add(std::span<const TokenScore> scores);
  void add(const ScoreStatistics& other);

  DivergenceFigures figures() const;
  const ScoreSums& sums() const { return sums_; }

 private:
  ScoreSums sums_;
  std::vector<double> klds_, delta_ps_;
};

// exp of the mean of -log_p, and its standard error by the delta method.
Estimate perplexity(const Moments& nll, std::int64_t count);

// The value below which a fraction of the sorted values lies, linear between them.
double quantile(std::span<const double> sorted, double fraction);

}  // namespace fakequant
