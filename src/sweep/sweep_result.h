// What `sweep` finds: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "study/study_database.h"
#include "sweep/prediction_quality.h"

namespace fakequant {

struct SweepVariant {
  std::string recipe;
  std::string site, format;
  std::optional<int> layer;                      // none: all that the site names
  std::string storage;                           // of quantized weights, as the study has it
  int chunks = 0;                                // that were measured, of those asked for
  int chunks_found = 0;                          // of them, that the study had before
  DivergenceFigures figures;                     // over these; of the quantiles only the largest divergence
  std::optional<int> first_layer;                // the first that was computed; none while nothing was
  std::string why_whole;                         // where that is 0
  std::optional<PredictedDivergence> predicted;  // before it was measured, where it was
  std::optional<Overflow> overflow;              // where a logit was NaN or infinite: then there are no figures
  bool is_precise = false;                       // it ended early because its divergence is known well enough
};

// What was spent on predictions.
struct PredictionCost {
  double passes = 0;         // of the whole model over all chunks
  double passes_of_all = 0;  // that the whole sweep takes
  int probes = 0;            // variants that were measured to tell of the others
  int probe_chunks = 0;      // on so many chunks
};

struct SweepText {
  std::string name;
  int chunks = 0;  // asked for
};

struct SweepResult {
  std::string model;
  std::string study;  // the database's path
  std::vector<SweepText> texts;
  int layers = 0;
  int ctx_size = 0, batch_size = 0;  // tokens
  int threads = 0;
  int shard = 1, shards = 1;
  double precision = 0;      // of the mean divergence, relative; 0: every chunk is measured
  bool is_by_layer = false;  // a variant has one layer
  bool is_dry_run = false;   // nothing was measured
  bool is_interrupted = false;
  std::int64_t measured = 0;  // chunks of variants, now
  double seconds = 0;         // that took
  Estimate baseline_ppl;      // over all chunks that are in the study and were asked for
  std::vector<SweepVariant> variants;
  std::optional<PredictionCost> prediction_cost;  // where this sweep predicted
  PredictionQuality prediction_quality;           // of the variants that were predicted before they were measured
  std::vector<std::string> notes;                 // what was left out, in sentences
};

}  // namespace fakequant
