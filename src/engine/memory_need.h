// The memory that llama.cpp takes beside a model's weights, as it says itself: it makes the model and a context without
// allocating anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/attention_options.h"

namespace fakequant {

// In bytes, to the 0.01 MiB that llama.cpp prints.
struct MemoryNeed {
  std::uint64_t cache = 0;    // keys and values, and states of recurrent layers
  std::uint64_t compute = 0;  // buffers of computation and outputs
};

// On the processor, in native arithmetic, for one sequence of so many tokens, in batches of llama.cpp's default. Throws
// an Error when llama.cpp cannot load the model or make the context.
MemoryNeed memory_beside_weights(const std::vector<std::string>& parts, int ctx_size,
                                 const AttentionOptions& attention);

}  // namespace fakequant
