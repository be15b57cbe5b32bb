// How a rule for attention's cache tells tokens apart: which are read in full, and which share scales.
//
//   keep=sink:4,recent:128     the first tokens are never rounded; each query reads the last ones before it in full
//   per=channel,group=32       a channel of a head has a scale for each 32 tokens, which are read in full until all of
//                              them are there
//
// Keeping the first tokens is StreamingLLM's (Xiao et al., "Efficient Streaming Language Models with Attention Sinks",
// arXiv 2309.17453). Keeping recent ones, and keys with a scale for each channel, are KIVI's (Liu et al., "KIVI: A
// Tuning-Free Asymmetric 2bit Quantization for KV Cache", arXiv 2402.02750).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "format/format.h"

namespace fakequant {

struct CacheTokens {
  std::int64_t sink = 0;    // tokens at the beginning of a sequence that are never rounded
  std::int64_t recent = 0;  // tokens up to each query, its own being the last, that it reads in full
  std::int64_t group = 0;   // of per=channel: tokens that share a channel's scale; 0: a token's scales are its own

  bool operator==(const CacheTokens&) const = default;
};

// The option whose value is a list, with commas.
inline constexpr std::string_view kKeepKey = "keep";

// Whether an option of a rule is about the tokens of the cache, and not about its format: keep, group, per=channel.
bool is_cache_option(const FormatOption& option);

// From such options. Throws a usage error that says what is allowed for a wrong value, a key that comes twice, and
// group= without per=channel.
CacheTokens make_cache_tokens(const std::vector<FormatOption>& options);

// The options that make_cache_tokens reads back to the same.
std::vector<FormatOption> options_of(const CacheTokens& tokens);

// The format with the span filled in for the cache, which has each head of a token by itself.
Format for_cache(Format format);

// Whether two queries may read a token differently: one in full, and one as it is rounded.
inline bool depends_on_query(const CacheTokens& tokens) { return tokens.recent > 0 || tokens.group > 0; }

// Whether the query at this position reads the token at that one, not later, as it was before it was rounded. The
// first tokens, which are not rounded, are the same either way.
bool reads_in_full(const CacheTokens& tokens, std::int64_t query, std::int64_t token);

// Whether the token at this position is the last of its group; only with groups.
bool completes_group(const CacheTokens& tokens, std::int64_t token);

// How many tokens of a cache of this length are in full for the query of the last one.
std::int64_t tokens_in_full(const CacheTokens& tokens, std::int64_t length);

}  // namespace fakequant
