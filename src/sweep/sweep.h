// A sweep measures many variants of one model as `eval` does, and collects the results in a study.
//
// The model is loaded once. The baseline evaluates a block of chunks, and its results stay in memory (at most half a
// GiB, or one chunk). Each variant is then compared with them. Activation rules share one context. An evaluation starts
// at the first layer that the variant changes. For a weight rule the sweep makes and loads a rounded copy of the model
// for each block. Only one copy exists at a time, so memory does not grow with the number of variants.
#pragma once

#include <fakequant/sweep.hpp>
#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/text.h"
#include "sweep/sweep_plan.h"
#include "sweep/sweep_result.h"
#include "weights/apply.h"

namespace fakequant {

struct SweepRequest {
  std::string model;  // a GGUF file
  std::string study;  // the database
  std::vector<Text> texts;
  SweepQuestion question;
  ApplySettings storage;  // of the rounded weights
  ComputeOptions compute;
  int ctx_size = 0;  // tokens; as in EvalOptions
  int chunks = 0;    // maximum for each text; 0: all
  int shard = 1, shards = 1;
  double precision = 0;       // a variant ends when its divergence has a relative standard error below this; 0: never
  bool predicts = false;      // measure some variants on some chunks, and predict the others
  double budget = 0;          // if `predicts`: total passes of the model over all chunks; 0: a tenth of the whole sweep
  bool covers_parts = false;  // if `predicts`, instead of a budget: so many passes that each site of each layer, and
                              // each site in each format, is measured once on all chunks, and the checks beside them
  bool dry_run = false;       // measure nothing; only list the variants and the content of the study
  std::function<void(const SweepProgress&)> progress;  // called after each chunk of a variant; may be empty
  std::function<bool()> is_stopped;  // called before each chunk; true ends with partial results; may be empty
};

// Measures what is not in the study yet. Throws what plan_sweep(), StudyDatabase and evaluate() throw; the study keeps
// all earlier measurements.
SweepResult sweep(const SweepRequest& request);

}  // namespace fakequant
