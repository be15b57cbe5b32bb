// The whole experiment on one model: what its weights hold, what the rounding changes in them, and what it costs in
// perplexity, divergence, text and speed, and where its error enters. Weight rules and activation rules are measured as
// two variants; further variants have their own recipes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/experiment_result.h"
#include "measure/bench.h"
#include "measure/drift.h"
#include "measure/eval.h"
#include "measure/generate.h"

namespace fakequant {

enum class ExperimentStep { inspect, compare, eval, drift, generate, bench };

std::string_view step_name(ExperimentStep step);

struct ExperimentRequest {
  std::string model;
  Recipe recipe;                            // may be empty where there are further variants
  std::vector<ExperimentVariant> variants;  // further ones; none is called "weights" or "activations"
  ApplySettings storage;                    // of the rounded weights
  std::vector<std::string> texts;           // files
  std::vector<std::string> prompts;
  EvalOptions eval;
  DriftOptions drift;  // of the first text
  GenerateOptions generate;
  BenchOptions bench;
  ComputeOptions compute;  // of all steps: those of their own options are not read
};

// The reference experiment's two variants: its truncated FFN norm weights, and the FFN norms' results in BF16.
Recipe default_experiment_recipe();

// The questions that the reference experiment asked its model.
std::vector<std::string> default_prompts();

using StepDone = std::function<void(ExperimentStep step, const ExperimentResult& so_far)>;
using StepProgress = std::function<void(ExperimentStep step, double done)>;

// Runs the steps in order and calls `done` after each; the comparison is left out without weight rules. An Error of a
// step says which one failed.
ExperimentResult run_experiment(const ExperimentRequest& request, const StepDone& done, const StepProgress& progress);

}  // namespace fakequant
