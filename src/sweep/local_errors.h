// Finds the local errors of all variants of a sweep in one pass of the untouched model over some chunks. It rounds
// copies of activations (measure/local_error.h) and the weights of the file (weight_errors.h).
#pragma once

#include <vector>

#include "gguf/gguf_model.h"
#include "measure/chunk_scoring.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

struct LocalErrorRequest {
  const GgufModel& file;
  const ApplySettings& storage;  // of the rounded weights
  const ChunkPlan& plan;
  int threads = 1;
};

// The energy (LocalError) of each rule alone; of a rule for several sites, the mean over the sites. `context` must have
// a tap; the call removes its rules. Throws an Error if a logit is NaN or the file cannot be read.
std::vector<double> find_local_errors(const LocalErrorRequest& request, Context& context,
                                      const std::vector<Chunk>& chunks, const std::vector<Rule>& rules);

}  // namespace fakequant
