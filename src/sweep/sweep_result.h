// The results of `sweep`: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "measure/text_windows.h"
#include "study/study_database.h"
#include "sweep/prediction_quality.h"

namespace fakequant {

struct SweepVariant {
  std::string recipe;
  std::string site, format;
  std::optional<int> layer;                      // unset: all layers that the site names
  std::string storage;                           // of quantized weights, in the notation of the study
  std::optional<double> bits;                    // of a value in the format; unset if the study does not say
  int chunks = 0;                                // measured, of the requested chunks
  int chunks_found = 0;                          // of these, the ones that the study had before
  DivergenceFigures figures;                     // over the measured chunks; of the quantiles only the maximum
  std::optional<int> first_layer;                // the first computed layer; unset if nothing was measured
  std::string why_whole;                         // why the first computed layer is 0
  std::optional<PredictedDivergence> predicted;  // before any measurement
  std::optional<Overflow> overflow;              // where a logit was NaN or infinite: there are no figures then
  std::optional<NoiseFloor> floor;               // of native arithmetic, at the same values; of this run only
  bool is_precise = false;                       // ended early: the divergence is precise enough
};

// The cost of predictions.
struct PredictionCost {
  double passes = 0;         // of the whole model over all chunks
  double passes_of_all = 0;  // of the whole sweep
  int probes = 0;            // variants measured in order to predict others
  int probe_chunks = 0;      // chunks on which they were measured
};

struct SweepText {
  std::string name;
  int chunks = 0;            // requested
  TextWindows windows = {};  // of these
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
  bool is_by_layer = false;  // variants are single layers
  bool is_dry_run = false;   // nothing was measured
  bool is_interrupted = false;
  std::int64_t measured = 0;  // chunks of variants, in this run
  double seconds = 0;         // duration of this run
  double passes = 0;          // of the model over a chunk: of this run, or that are to be done yet if `is_dry_run`
  Estimate baseline_ppl;      // over all requested chunks that are in the study
  std::vector<SweepVariant> variants;
  std::optional<PredictionCost> prediction_cost;  // unset if the sweep did not predict
  PredictionQuality prediction_quality;           // of the variants that were predicted before they were measured
  std::vector<std::string> notes;                 // on what was left out, in sentences
};

}  // namespace fakequant
