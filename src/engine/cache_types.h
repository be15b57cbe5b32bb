// The types in which llama.cpp holds attention's keys and values between evaluations.
//
// They are compared as they would run: the baseline and every variant have the same cache.
#pragma once

#include <string>

#include "engine/arithmetic.h"

namespace fakequant {

struct CacheTypes {
  std::string k, v;  // llama.cpp's names; empty: the arithmetic's own

  bool operator==(const CacheTypes&) const = default;
};

// With the arithmetic's own type in place of those that are not given: F16 as in llama.cpp, F32 in f32 arithmetic.
CacheTypes settled(CacheTypes types, Arithmetic arithmetic);

// ggml's number of the type that the name means. Throws a usage error that lists the names for any other word.
int cache_type(const std::string& name);

// Whether the type that the name means is one of integers with scales. Throws as cache_type does.
bool is_quantized_cache(const std::string& name);

// Throws a usage error as cache_type does, and for quantized values in f32 arithmetic: llama.cpp computes with them in
// its kernel of flash attention only, which rounds.
void check_cache_types(const CacheTypes& types, Arithmetic arithmetic);

// "a cache of q8_0 keys and q4_0 values"; empty for the arithmetic's own types.
std::string to_string(const CacheTypes& types, Arithmetic arithmetic);

}  // namespace fakequant
