// What `eval` measures: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/site_counters.h"

namespace fakequant {

// A mean and its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

struct ChunkResult {
  int chunk = 0;
  double ppl_baseline = 0;
  double ppl = 0;
  double kld = 0;  // mean over the chunk
  double top1_agreement = 0;
};

// A prediction that the variant changed much.
struct WorstToken {
  int chunk = 0;
  int position = 0;     // of the predicted token in its chunk
  std::string context;  // the text before it
  std::string token;    // the token that came
  double kld = 0;
  double p_baseline = 0, p_variant = 0;   // probabilities of the token that came
  std::string top_baseline, top_variant;  // the tokens that each thought most likely
};

struct VariantResult {
  std::string name;
  std::string recipe;
  std::string other_model;  // the path of the model that this is, where it is another than the baseline
  Estimate ppl;
  Estimate ppl_ratio;      // variant / baseline
  double correlation = 0;  // of the two models' log-probabilities; not a number where one is constant
  Estimate kld;            // mean, nats
  double kld_median = 0, kld_p1 = 0, kld_p5 = 0, kld_p10 = 0, kld_p90 = 0, kld_p95 = 0, kld_p99 = 0, kld_p999 = 0;
  double kld_max = 0;
  Estimate delta_p;  // mean change of the probability of the token that came
  double delta_p_rms = 0;
  double top1_agreement = 0;                   // fraction of predictions with the same most likely token
  double top5_overlap = 0, top10_overlap = 0;  // mean fraction of the most likely tokens that both list
  std::vector<ChunkResult> chunks;
  std::vector<WorstToken> worst_tokens;  // by divergence, worst first
  std::vector<SiteCounters> sites;       // what its tap did
};

struct EvalResult {
  std::string model;
  std::string text;
  int threads = 0;
  int ctx_size = 0;
  int chunks = 0;
  std::int64_t tokens_in_text = 0;
  std::int64_t tokens_evaluated = 0;
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  std::vector<VariantResult> variants;
};

}  // namespace fakequant
