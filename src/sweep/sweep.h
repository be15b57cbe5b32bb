// A sweep: what many variants of one model lose, each against the baseline as `eval` measures it, in one study.
//
// The model is loaded once. A block of chunks goes through the baseline, and what it computed is kept in memory (at
// most half a GiB, but one chunk at least); then one variant after another is held against it. Activation rules share
// one context; an evaluation begins at the first layer that a variant changes. For a weight rule a rounded copy of the
// model is made and loaded, once for each block, and only one at a time: memory does not grow with their number.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/text.h"
#include "sweep/sweep_plan.h"
#include "sweep/sweep_result.h"
#include "weights/apply.h"

namespace fakequant {

struct SweepProgress {
  double done = 0;            // 0..1
  std::string variant;        // that is measured
  std::int64_t measured = 0;  // chunks of variants, now
};

struct SweepRequest {
  std::string model;  // a GGUF file
  std::string study;  // the database
  std::vector<Text> texts;
  SweepQuestion question;
  ApplySettings storage;  // of rounded weights
  ComputeOptions compute;
  int ctx_size = 0;  // tokens; as in EvalOptions
  int chunks = 0;    // of each text, at most; 0: all that it has
  int shard = 1, shards = 1;
  double precision = 0;   // a variant is done when its divergence's standard error is below this part of it; 0: never
  bool predicts = false;  // measures some variants on some chunks, and predicts the others from them
  double budget = 0;  // then: passes of the model over all chunks that this may cost, in all; 0: a tenth of the sweep
  bool dry_run = false;                                // only says what would be measured, and what the study has
  std::function<void(const SweepProgress&)> progress;  // told after each chunk of a variant; may be empty
  std::function<bool()> is_stopped;  // asked before each: whether to end with what there is; may be empty
};

// Measures what the study does not have yet. Throws as plan_sweep, StudyDatabase and evaluate() do; what was measured
// before is in the study then.
SweepResult sweep(const SweepRequest& request);

}  // namespace fakequant
