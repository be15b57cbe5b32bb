// Weights that are rounded in memory beside the loaded model. A variant computes with them in place of the model's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/changed_weights.h"
#include "gguf/gguf_model.h"
#include "measure/weight_memory.h"
#include "progress.h"
#include "weights/apply.h"
#include "weights/weight_rounding.h"

namespace fakequant {

struct WeightsInPlace {
  std::shared_ptr<WeightRounding> rounding;       // null: nothing is rounded
  std::shared_ptr<const ChangedWeights> weights;  // likewise
  std::int64_t bytes = 0;                         // of InPlaceOptions::memory that these take
};

struct InPlaceOptions {
  int threads = 1;
  WeightMemory memory = {};
  // Of an earlier variant of the same model: what is rounded alike there is taken over.
  WeightsInPlace earlier = {};
  Progress progress = {};
  std::function<bool()> is_cancelled = {};  // asked now and then, by several threads
};

// How the rules round the model's weights; null where a quantized type is stored, which llama.cpp may pack anew for its
// kernels when it loads a model. The model must outlive it. Throws as WeightRounding does.
std::shared_ptr<WeightRounding> rounding_in_place(const GgufModel& model, const Recipe& rules,
                                                  const ApplySettings& storage);

// Rounds what is kept: of large tensors in formats that round at the speed of memory, the largest that fit into the
// memory; all others. Puts into `result` what that did to each tensor; of those that were taken over only what they
// are. Throws as WeightRounding::round does, and an Error where it was cancelled.
WeightsInPlace round_in_place(const GgufModel& model, const std::shared_ptr<WeightRounding>& rounding,
                              const InPlaceOptions& options, ApplyResult& result);

}  // namespace fakequant
