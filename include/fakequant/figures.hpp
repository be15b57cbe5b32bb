// The figures by which the predictions of a variant are compared with the baseline's. docs/measuring.md defines them.
#pragma once

namespace fakequant {

// A mean and its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

// Quantiles over predictions: p01 is that of 0.1 %, p999 that of 99.9 %.
struct Quantiles {
  double min = 0, p01 = 0, p1 = 0, p5 = 0, p10 = 0, p25 = 0, median = 0, p75 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0,
         max = 0;
};

// What is known of a variant's predictions. NaN where a figure is unknown.
struct DivergenceFigures {
  Estimate ppl;
  Estimate ppl_ratio;       // variant / baseline
  Estimate log_ppl_ratio;   // the ratio's natural logarithm
  Estimate ppl_difference;  // variant - baseline
  double correlation = 0;   // of the two models' log-probabilities; NaN where one is constant
  Estimate kld;             // mean KL(baseline || variant), nats
  Quantiles kld_at;
  Estimate reverse_kld;  // mean KL(variant || baseline), nats
  Quantiles reverse_kld_at;
  Estimate delta_p;  // mean change of the probability of the actual next token
  Quantiles delta_p_at;
  Estimate delta_p_rms;
  Estimate top1_agreement;                     // fraction of predictions with the same most likely token
  double top5_overlap = 0, top10_overlap = 0;  // mean fraction of the most likely tokens that both list
};

}  // namespace fakequant
