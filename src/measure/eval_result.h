// What `eval` measures: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/site_counters.h"

namespace fakequant {

// A mean and its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

struct Quantiles {
  double min = 0, p01 = 0, p1 = 0, p5 = 0, p10 = 0, p25 = 0, median = 0, p75 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0,
         max = 0;  // p01 is the 0.1 % quantile, p999 the 99.9 % one
};

// A variant's predictions beside the baseline's.
struct DivergenceFigures {
  Estimate ppl;
  Estimate ppl_ratio;       // variant / baseline
  Estimate log_ppl_ratio;   // the ratio's natural logarithm
  Estimate ppl_difference;  // variant - baseline
  double correlation = 0;   // of the two models' log-probabilities; not a number where one is constant
  Estimate kld;             // mean, nats
  Quantiles kld_at;
  Estimate delta_p;  // mean change of the probability of the token that came
  Quantiles delta_p_at;
  Estimate delta_p_rms;
  Estimate top1_agreement;                     // fraction of predictions with the same most likely token
  double top5_overlap = 0, top10_overlap = 0;  // mean fraction of the most likely tokens that both list
};

struct ChunkResult {
  int text = 0;   // by its place among the texts
  int chunk = 0;  // of its text
  double ppl_baseline = 0;
  double ppl = 0;
  double kld = 0;  // mean over the chunk
  double top1_agreement = 0;
};

// A prediction that the variant changed much.
struct WorstToken {
  int text = 0;
  int chunk = 0;
  int position = 0;     // of the predicted token in its chunk
  std::string context;  // the text before it
  std::string token;    // the token that came
  double kld = 0;
  double p_baseline = 0, p_variant = 0;   // probabilities of the token that came
  std::string top_baseline, top_variant;  // the tokens that each thought most likely
};

// The mean over texts, of which each counts as much as any other.
struct MacroAverage {
  double ppl = 0;  // of the logarithms
  double ppl_ratio = 0;
  double kld = 0;
  double top1_agreement = 0;
};

struct VariantResult {
  std::string name;
  std::string recipe;
  std::string other_model;    // the path of the model that this is, where it is another than the baseline
  DivergenceFigures figures;  // over all predictions of all texts
  MacroAverage macro;
  std::vector<ChunkResult> chunks;
  std::vector<WorstToken> worst_tokens;  // by divergence, worst first
  std::vector<SiteCounters> sites;       // what its tap did
};

struct TextResult {
  std::string name;
  int chunks = 0;
  std::optional<std::int64_t> tokens_in_text;  // none where a long text was not read to its end
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  std::vector<DivergenceFigures> variants;
};

struct EvalResult {
  std::string model;
  std::vector<TextResult> texts;
  bool is_interrupted = false;  // there was more to measure
  int threads = 0;
  int ctx_size = 0;
  int batch_size = 0;
  int chunks = 0;
  std::int64_t tokens_evaluated = 0;
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  double macro_baseline_ppl = 0;
  std::vector<VariantResult> variants;
};

}  // namespace fakequant
