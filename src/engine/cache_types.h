// The types in which llama.cpp holds attention's keys and values between evaluations.
//
// They are compared as they would run: the baseline and every variant have the same cache.
#pragma once

#include <string>

namespace fakequant {

struct CacheTypes {
  std::string k = "f16", v = "f16";  // llama.cpp's names

  bool operator==(const CacheTypes&) const = default;
};

// ggml's number of the type that the name means. Throws a usage error that lists the names for any other word.
int cache_type(const std::string& name);

// Throws a usage error as cache_type does.
void check_cache_types(const CacheTypes& types);

// "a cache of q8_0 keys and q4_0 values"; empty for llama.cpp's own choice, F16.
std::string to_string(const CacheTypes& types);

}  // namespace fakequant
