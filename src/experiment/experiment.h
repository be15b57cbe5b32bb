// Runs the whole experiment on one model: inspects the weights, compares them with the rounded weights, and measures
// perplexity, divergence, drift, generated text and speed. Weight rules and activation rules are two separate variants;
// further variants have their own recipes.
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
#include "measure/text.h"

namespace fakequant {

enum class ExperimentStep { inspect, compare, eval, drift, generate, bench };

std::string_view step_name(ExperimentStep step);

struct ExperimentRequest {
  std::string model;
  Recipe recipe;                            // may be empty if there are further variants
  std::vector<ExperimentVariant> variants;  // further ones; none is called "weights" or "activations"
  ApplySettings storage;                    // of the rounded weights
  std::vector<Text> texts;
  std::vector<std::string> prompts;
  EvalOptions eval;
  DriftOptions drift;  // drift uses the first text only
  GenerateOptions generate;
  BenchOptions bench;
  ComputeOptions compute;  // of all steps; replaces the ComputeOptions in the options above
  // Of generate and bench, which are about speed too.
  Arithmetic generation_arithmetic = Arithmetic::native;
};

// The two variants of the reference experiment: truncated FFN norm weights, and FFN norm outputs in BF16.
Recipe default_experiment_recipe();

// The prompts of the reference experiment.
std::vector<std::string> default_prompts();

using StepDone = std::function<void(ExperimentStep step, const ExperimentResult& so_far)>;
using StepProgress = std::function<void(ExperimentStep step, double done)>;

// Runs the steps in order and calls `done` after each. Skips `compare` if the recipe has no weight rule. The message of
// an Error names the failed step.
ExperimentResult run_experiment(const ExperimentRequest& request, const StepDone& done, const StepProgress& progress);

}  // namespace fakequant
