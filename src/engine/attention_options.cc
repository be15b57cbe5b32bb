#include "engine/attention_options.h"

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

FlashAttention parse_flash_attention(const std::string& word) {
  for (const auto flash : {FlashAttention::automatic, FlashAttention::on, FlashAttention::off}) {
    if (word == to_string(flash)) return flash;
  }
  throw usage_error(fmt::format("'{}' is no word for flash attention: take on, off or auto", word));
}

std::string to_string(FlashAttention flash) {
  switch (flash) {
    case FlashAttention::automatic:
      return "auto";
    case FlashAttention::on:
      return "on";
    case FlashAttention::off:
      return "off";
  }
  return {};
}

AttentionOptions attention_of(const RecipeSettings& settings) {
  AttentionOptions options;
  for (const auto& [word, type] :
       {std::pair{&settings.cache_type_k, &options.k}, {&settings.cache_type_v, &options.v}}) {
    if (word->empty()) continue;
    cache_type(*word);
    *type = *word;
  }
  if (!settings.flash_attn.empty()) options.flash = parse_flash_attention(settings.flash_attn);
  return options;
}

AttentionOptions settled(AttentionOptions options, Arithmetic arithmetic) {
  const std::string own = arithmetic == Arithmetic::f32 ? "f32" : "f16";
  if (options.k.empty()) options.k = own;
  if (options.v.empty()) options.v = own;
  if (options.flash == FlashAttention::automatic && arithmetic == Arithmetic::f32) {
    options.flash = is_quantized_cache(options.v) ? FlashAttention::on : FlashAttention::off;
  }
  return options;
}

AttentionOptions settled(const AttentionOptions& own, AttentionOptions common) {
  if (!own.k.empty()) common.k = own.k;
  if (!own.v.empty()) common.v = own.v;
  if (own.flash != FlashAttention::automatic) common.flash = own.flash;
  return common;
}

bool is_quantized_cache(const std::string& name) { return ggml_is_quantized(static_cast<ggml_type>(cache_type(name))); }

int bits_of_cached_value(const std::string& name) {
  return static_cast<int>(ggml_type_size(static_cast<ggml_type>(cache_type(name)))) * 8;
}

void check_attention(const AttentionOptions& options, Arithmetic arithmetic) {
  const auto chosen = settled(options, arithmetic);
  about("type of the cached keys", [&] { return cache_type(chosen.k); });
  about("type of the cached values", [&] { return cache_type(chosen.v); });
  if (chosen.flash == FlashAttention::off && is_quantized_cache(chosen.v)) {
    throw usage_error(fmt::format("{} values in the cache need flash attention, which is off", chosen.v));
  }
}

std::string to_string(const AttentionOptions& options, Arithmetic arithmetic) {
  const auto chosen = settled(options, arithmetic), own = settled(AttentionOptions{}, arithmetic);
  std::string text;
  if (chosen.k != own.k || chosen.v != own.v)
    text = fmt::format("a cache of {} keys and {} values", chosen.k, chosen.v);
  if (chosen.flash == own.flash) return text;
  const auto* flash = chosen.flash == FlashAttention::on ? "with flash attention" : "without flash attention";
  return text.empty() ? flash : fmt::format("{}, {}", text, flash);
}

}  // namespace fakequant
