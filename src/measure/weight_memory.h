// How much memory the rounded weights of variants may take beside the loaded model.
//
// A weight that is kept is rounded once, and one that is streamed whenever it is read. In native arithmetic keeping is
// faster. In f32 arithmetic it gains nothing: products read weights row by row either way, and a rounded row is wider
// than one of a quantized file.
#pragma once

#include <cstdint>
#include <limits>

#include "engine/compute_options.h"

namespace fakequant {

struct WeightMemory {
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t kMinStreamed = 1 << 16;

  std::int64_t bytes = kUnlimited;  // that large tensors may take which can be streamed; the others are always kept
  std::int64_t min_streamed = kMinStreamed;  // values of a tensor that is large
};

// What the options say; otherwise none in f32 arithmetic, and a quarter of what is free now in native.
WeightMemory weight_memory_for(const ComputeOptions& compute);

}  // namespace fakequant
