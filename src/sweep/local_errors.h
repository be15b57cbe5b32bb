// The local error of each variant of a sweep, found in one pass of the untouched model over some chunks: activations
// are rounded on copies (measure/local_error.h), weights in the file's own (weight_errors.h).
#pragma once

#include <vector>

#include "gguf/gguf_model.h"
#include "measure/chunk_scoring.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

struct LocalErrorRequest {
  const GgufModel& file;
  const ApplySettings& storage;  // of rounded weights
  const ChunkPlan& plan;
  int threads = 1;
};

// The energy (LocalError) of each rule by itself; where it names several sites, the mean over them. `context` has a
// tap, and is left without rules. Throws an Error when a logit is not a number, or the file cannot be read.
std::vector<double> find_local_errors(const LocalErrorRequest& request, Context& context,
                                      const std::vector<Chunk>& chunks, const std::vector<Rule>& rules);

}  // namespace fakequant
