// The noise floor of native arithmetic: what the least rounding of the same values costs.
//
// llama.cpp's kernels round what a product reads to their own type. A change of a value, however small, then flips
// codes of that type, and the divergence that follows says nothing about the format that is measured. How large it is,
// is seen where a rule rounds one bit of float32's 23. f32 arithmetic has no floor.
#pragma once

#include <vector>

#include "engine/site_counters.h"
#include "measure/chunk_scoring.h"
#include "measure/eval_result.h"
#include "recipe/rule.h"

namespace fakequant {

// Chunks of a text that it is measured on.
inline constexpr int kNoiseFloorChunks = 2;

// Whether a product's kernel rounds again what a rule has rounded.
bool is_rounded_again(const std::vector<SiteCounters>& sites);

// The same rules with mantissa22.
Recipe least_rounding(const Recipe& activation_rules);

// The floor that these predictions show.
NoiseFloor floor_of(const std::vector<TokenScore>& scores);

// Measures it on the first two chunks of a text. `least` is a context under least_rounding(). Throws as predict_slice
// does.
NoiseFloor measure_noise_floor(Context& baseline, Context& least, const ChunkPlan& plan, const Text& text, int threads);

}  // namespace fakequant
