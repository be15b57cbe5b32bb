// The quantities by which a variant's predictions are compared with the baseline's, as one table.
//
// The table says what each quantity is called, its unit, how it is summed over predictions and how it is shown. Generic
// code reads it to form sums and figures (score_statistics.h), the columns and statements of a study
// (study/score_columns.h), JSON fields, text tables and the tables of the page.
//
// To add a statistic: compute it in TokenScore (token_score.h), then add its members and its row here.
#pragma once

#include <array>
#include <cstdint>
#include <fakequant/figures.hpp>
#include <limits>
#include <string_view>

#include "measure/token_score.h"

namespace fakequant {

// The sums of a quantity and of its square over some predictions.
struct Moments {
  double sum = 0, sum2 = 0;

  void add(double x);
  void add(const Moments& other);
  // The mean of `count` values and its standard error.
  Estimate mean(std::int64_t count) const;
};

// Sums over the predictions of one or more chunks. nll is -log p of the actual next token, in nats; delta_p is the
// change of its probability. A study that was made before a quantity existed has no sums of it: they are NaN here.
struct ScoreSums {
  std::int64_t count = 0;  // predictions
  Moments nll, nll_baseline, nll_change, kld, reverse_kld, delta_p, delta_p2;
  double kld_max = -std::numeric_limits<double>::infinity();
  double reverse_kld_max = -std::numeric_limits<double>::infinity();
  std::int64_t same_top = 0, top5_common = 0, top10_common = 0;

  void add(const TokenScore& score);
  void add(const ScoreSums& other);
};

// How a figure is written for people: as a number, as the ratio to 1, or as a percentage.
enum class FigureForm { number, ratio, percent, signed_percent };

// A row of the table. A quantity is summed (it has `value`), shown (it has `estimate` or `number`), or both: then it is
// shown as the mean of what is summed.
struct ScoreQuantity {
  std::string_view name;        // of the JSON field and of the study's columns; a.b is field b of object a
  std::string_view title = {};  // in tables
  std::string_view unit = {};   // "nats", or none

  // How it is summed. A study keeps `moments` in the columns NAME and NAME_squared, a count in NAME, a maximum in
  // NAME_max.
  double (*value)(const TokenScore&) = nullptr;  // of one prediction
  Moments ScoreSums::*moments = nullptr;         // either these
  std::int64_t ScoreSums::*count = nullptr;      // or this
  double ScoreSums::*max = nullptr;              // the largest value, where it is kept
  int since = 1;                                 // the version of a study's schema that added its columns

  // How it is shown: with its error, or without.
  Estimate DivergenceFigures::*estimate = nullptr;
  double DivergenceFigures::*number = nullptr;
  Quantiles DivergenceFigures::*quantiles = nullptr;  // over predictions, where they are wanted
  FigureForm form = FigureForm::number;
  bool is_compared = false;  // an estimate that is a column wherever variants are compared, and a figure of each chunk

  constexpr bool is_summed() const { return value != nullptr; }
  constexpr bool is_shown() const { return estimate != nullptr || number != nullptr; }
};

inline constexpr auto kScoreQuantities = std::to_array<ScoreQuantity>({
    {.name = "nll",
     .unit = "nats",
     .value = [](const TokenScore& score) { return -score.log_p_variant; },
     .moments = &ScoreSums::nll},
    {.name = "nll_baseline",
     .unit = "nats",
     .value = [](const TokenScore& score) { return -score.log_p_baseline; },
     .moments = &ScoreSums::nll_baseline},
    {.name = "nll_change",
     .unit = "nats",
     .value = [](const TokenScore& score) { return score.log_p_baseline - score.log_p_variant; },
     .moments = &ScoreSums::nll_change},
    {.name = "ppl", .title = "perplexity", .estimate = &DivergenceFigures::ppl, .is_compared = true},
    {.name = "ppl_ratio",
     .title = "ratio to the baseline",
     .estimate = &DivergenceFigures::ppl_ratio,
     .form = FigureForm::ratio,
     .is_compared = true},
    {.name = "log_ppl_ratio",
     .title = "ln of the ratio",
     .unit = "nats",
     .estimate = &DivergenceFigures::log_ppl_ratio},
    {.name = "ppl_difference", .title = "difference", .estimate = &DivergenceFigures::ppl_difference},
    {.name = "correlation",
     .title = "correlation of the log-probabilities",
     .number = &DivergenceFigures::correlation,
     .form = FigureForm::percent},
    {.name = "kld",
     .title = "KL divergence",
     .unit = "nats",
     .value = [](const TokenScore& score) { return score.kld; },
     .moments = &ScoreSums::kld,
     .max = &ScoreSums::kld_max,
     .estimate = &DivergenceFigures::kld,
     .quantiles = &DivergenceFigures::kld_at,
     .is_compared = true},
    {.name = "reverse_kld",
     .title = "reverse KL divergence",
     .unit = "nats",
     .value = [](const TokenScore& score) { return score.reverse_kld; },
     .moments = &ScoreSums::reverse_kld,
     .max = &ScoreSums::reverse_kld_max,
     .since = 3,
     .estimate = &DivergenceFigures::reverse_kld,
     .quantiles = &DivergenceFigures::reverse_kld_at,
     .is_compared = true},
    {.name = "delta_p",
     .title = "change of probability",
     .value = [](const TokenScore& score) { return score.delta_p(); },
     .moments = &ScoreSums::delta_p,
     .estimate = &DivergenceFigures::delta_p,
     .quantiles = &DivergenceFigures::delta_p_at,
     .form = FigureForm::signed_percent},
    {.name = "delta_p2",
     .value = [](const TokenScore& score) { return score.delta_p() * score.delta_p(); },
     .moments = &ScoreSums::delta_p2},
    {.name = "delta_p.rms",
     .title = "RMS change of probability",
     .estimate = &DivergenceFigures::delta_p_rms,
     .form = FigureForm::percent},
    {.name = "same_top",
     .value = [](const TokenScore& score) { return score.top_variant == score.top_baseline ? 1.0 : 0.0; },
     .count = &ScoreSums::same_top},
    {.name = "top5_common",
     .value = [](const TokenScore& score) { return static_cast<double>(score.top5_common); },
     .count = &ScoreSums::top5_common},
    {.name = "top10_common",
     .value = [](const TokenScore& score) { return static_cast<double>(score.top10_common); },
     .count = &ScoreSums::top10_common},
    {.name = "top1_agreement",
     .title = "same top token",
     .estimate = &DivergenceFigures::top1_agreement,
     .form = FigureForm::percent,
     .is_compared = true},
    {.name = "top5_overlap",
     .title = "top 5 overlap",
     .number = &DivergenceFigures::top5_overlap,
     .form = FigureForm::percent},
    {.name = "top10_overlap",
     .title = "top 10 overlap",
     .number = &DivergenceFigures::top10_overlap,
     .form = FigureForm::percent},
});

}  // namespace fakequant
