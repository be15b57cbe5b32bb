// The results of an experiment: plain data, filled in step by step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/environment.h"
#include "measure/bench_result.h"
#include "measure/drift_result.h"
#include "measure/eval_result.h"
#include "measure/generation_result.h"
#include "recipe/rule.h"
#include "weights/apply.h"
#include "weights/census.h"
#include "weights/compare.h"

namespace fakequant {

// A variant beside those that the rules make.
struct ExperimentVariant {
  std::string name;
  Recipe recipe;
};

struct ExperimentResult {
  std::string model;
  Recipe recipe;                            // empty where there are only further variants
  std::vector<ExperimentVariant> variants;  // further ones
  Environment environment;
  Census census;
  std::optional<ApplyResult> rounding;   // of the weights; unset if the recipe has no weight rule
  std::optional<Comparison> comparison;  // of the model with its rounded copy; unset likewise
  EvalResult eval;
  std::vector<DriftResult> drifts;  // of the variants, in the order of `eval`
  GenerationResult generation;
  BenchResult bench;
};

}  // namespace fakequant
