#include "engine/cache_types.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ggml.h>

#include <algorithm>
#include <array>
#include <vector>

#include "error.h"

namespace fakequant {
namespace {

// Those that llama.cpp's tools offer.
constexpr std::array kOffered = {GGML_TYPE_F32,  GGML_TYPE_F16,    GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0,
                                 GGML_TYPE_Q4_1, GGML_TYPE_IQ4_NL, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1};

}  // namespace

int cache_type(const std::string& name) {
  const auto found =
      std::find_if(kOffered.begin(), kOffered.end(), [&](ggml_type type) { return name == ggml_type_name(type); });
  if (found != kOffered.end()) return *found;
  std::vector<std::string> names;
  for (const auto type : kOffered) names.emplace_back(ggml_type_name(type));
  throw usage_error(fmt::format("'{}' is no type of the cache: take one of {}", name, fmt::join(names, " ")));
}

CacheTypes settled(CacheTypes types, Arithmetic arithmetic) {
  const std::string own = arithmetic == Arithmetic::f32 ? "f32" : "f16";
  if (types.k.empty()) types.k = own;
  if (types.v.empty()) types.v = own;
  return types;
}

bool is_quantized_cache(const std::string& name) { return ggml_is_quantized(static_cast<ggml_type>(cache_type(name))); }

void check_cache_types(const CacheTypes& types, Arithmetic arithmetic) {
  const auto chosen = settled(types, arithmetic);
  about("type of the cached keys", [&] { return cache_type(chosen.k); });
  about("type of the cached values", [&] { return cache_type(chosen.v); });
  if (arithmetic == Arithmetic::f32 && is_quantized_cache(chosen.v)) {
    throw usage_error(fmt::format(
        "{} values in the cache need flash attention, which f32 arithmetic goes without: take native arithmetic",
        chosen.v));
  }
}

std::string to_string(const CacheTypes& types, Arithmetic arithmetic) {
  const auto chosen = settled(types, arithmetic);
  return chosen == settled({}, arithmetic) ? std::string()
                                           : fmt::format("a cache of {} keys and {} values", chosen.k, chosen.v);
}

}  // namespace fakequant
