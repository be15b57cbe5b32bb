// What the rounding costs: prompt and decode speed of variants, measured in turn with the baseline.
//
// All run before anything is counted, until caches, page tables and the processor's clock have settled; then baseline
// and variants take turns, in an order drawn for each round, so that what slows the machine slows all of them.
// What no round can tell from a cost is where a process's memory happens to lie: an allowance for it is part of each
// interval, and a surprise is worth a second run.
#pragma once

#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/bench_result.h"
#include "measure/variant.h"

namespace fakequant {

struct BenchOptions {
  int prompt_tokens = 0;  // 0: half of min(512, what the model was trained for)
  int decode_tokens = 0;  // 0: 32, or as many as the context has room for
  int repetitions = 30;   // rounds in which all take turns
  ComputeOptions compute;
};

// Throws an Error when a model cannot be run, a usage error when the tokens do not fit the context.
BenchResult bench(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                  const BenchOptions& options, const Progress& progress);

}  // namespace fakequant
