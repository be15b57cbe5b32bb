// How llama.cpp holds and computes attention: the types of the cached keys and values, and whether one fused kernel
// computes it all (flash attention), which quantized values need.
//
// The baseline and every variant have the same, but for a variant whose recipe names its own: that one is the real
// thing beside simulated ones.
#pragma once

#include <fakequant/compute.hpp>
#include <string>

#include "engine/arithmetic.h"
#include "recipe/recipe_settings.h"

namespace fakequant {

// "auto", "on", "off". Throws a usage error for any other word.
FlashAttention parse_flash_attention(const std::string& word);
std::string to_string(FlashAttention flash);

// With the arithmetic's own in place of what is not given: a cache in F16 as in llama.cpp, or F32 in f32 arithmetic,
// which takes flash attention only where it is asked for or values are quantized: the kernel rounds.
AttentionOptions settled(AttentionOptions options, Arithmetic arithmetic);

// `own` where it says something, otherwise `common`.
AttentionOptions settled(const AttentionOptions& own, AttentionOptions common);

// How a variant's attention is computed by itself, as its recipe says. Throws a usage error for a word that is invalid.
AttentionOptions attention_of(const RecipeSettings& settings);

// ggml's number of the type that the name means. Throws a usage error that lists the names for any other word.
int cache_type(const std::string& name);

// Whether the type that the name means is one of integers with scales. Throws as cache_type does.
bool is_quantized_cache(const std::string& name);

// How many bits a value takes in a cache of that type, which is not such a one.
int bits_of_cached_value(const std::string& name);

// Throws a usage error as cache_type does, and for quantized values where flash attention is off: llama.cpp computes
// with them in that kernel only.
void check_attention(const AttentionOptions& options, Arithmetic arithmetic);

// "a cache of q8_0 keys and q4_0 values, with flash attention"; empty for the arithmetic's own.
std::string to_string(const AttentionOptions& options, Arithmetic arithmetic);

}  // namespace fakequant
