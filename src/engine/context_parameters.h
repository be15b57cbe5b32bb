// What llama.cpp is asked for when a context is made, or only laid out (model_outline.h).
#pragma once

#include <llama.h>

#include "engine/context.h"

namespace fakequant {

// The tokens of the largest graph that a tap watches before anything is evaluated.
inline constexpr int kMaxFirstTokens = 3;

// Of a context for so many sequences. `is_offloaded`: devices hold layers of the model.
llama_context_params context_parameters(const ContextOptions& options, int places, bool is_offloaded);

}  // namespace fakequant
