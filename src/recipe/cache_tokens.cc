#include "recipe/cache_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "error.h"
#include "format/format_properties.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kGroupKey = "group", kSpanKey = "per", kChannel = "channel";
constexpr std::string_view kSinkWord = "sink:", kRecentWord = "recent:";
constexpr std::int64_t kMostTokens = 1 << 30;  // positions in a sequence are numbers of 32 bits

std::optional<std::int64_t> token_count(std::string_view text) {
  const auto number = number_of_text<std::int64_t>(text);
  return number && *number >= 0 && *number <= kMostTokens ? number : std::nullopt;
}

void set_kept(CacheTokens& tokens, std::string_view text) {
  const auto refuse = [&] {
    throw usage_error(
        fmt::format("bad keep={}: keep= takes sink:N, recent:N or both, such as keep=sink:4,recent:128", text));
  };
  bool has_sink = false, has_recent = false;
  const bool is_quoted = text.size() > 1 && text.starts_with('\'') && text.ends_with('\'');
  for (const auto piece : pieces_of(is_quoted ? text.substr(1, text.size() - 2) : text)) {
    const bool is_sink = piece.starts_with(kSinkWord), is_recent = piece.starts_with(kRecentWord);
    if ((!is_sink && !is_recent) || (is_sink ? has_sink : has_recent)) refuse();
    const auto count = token_count(piece.substr(is_sink ? kSinkWord.size() : kRecentWord.size()));
    if (!count) refuse();
    (is_sink ? tokens.sink : tokens.recent) = *count;
    (is_sink ? has_sink : has_recent) = true;
  }
}

std::int64_t group_of_text(std::string_view text) {
  const auto group = token_count(text);
  if (!group || *group == 0) {
    throw usage_error(fmt::format("bad group={}: group= takes a whole number of tokens from 1", text));
  }
  return *group;
}

}  // namespace

bool is_cache_option(const FormatOption& option) {
  return option.key == kKeepKey || option.key == kGroupKey || (option.key == kSpanKey && option.value == kChannel);
}

CacheTokens make_cache_tokens(const std::vector<FormatOption>& options) {
  std::optional<std::string> keep, group, span;
  for (const auto& [key, value] : options) {
    auto& text = key == kKeepKey ? keep : key == kGroupKey ? group : span;
    if (text) throw usage_error(fmt::format("{}= occurs twice", key));
    text = value;
  }
  CacheTokens tokens;
  if (keep) set_kept(tokens, *keep);
  if (group && !span) throw usage_error("group= says how many tokens share a channel's scale: add per=channel");
  if (span) tokens.group = group ? group_of_text(*group) : kDefaultBlock;
  return tokens;
}

std::vector<FormatOption> options_of(const CacheTokens& tokens) {
  std::vector<FormatOption> options;
  if (tokens.group > 0) {
    options.push_back({std::string(kSpanKey), std::string(kChannel)});
    options.push_back({std::string(kGroupKey), std::to_string(tokens.group)});
  }
  std::string kept;
  if (tokens.sink > 0) kept = fmt::format("{}{}", kSinkWord, tokens.sink);
  if (tokens.recent > 0) kept += fmt::format("{}{}{}", kept.empty() ? "" : ",", kRecentWord, tokens.recent);
  if (!kept.empty()) options.push_back({std::string(kKeepKey), kept});
  return options;
}

Format for_cache(Format format) {
  if (has_scale(format) && !format.per && !shares_scale_across_rows(format)) format.per = Span::row;
  return format;
}

bool reads_in_full(const CacheTokens& tokens, std::int64_t query, std::int64_t token) {
  if (query - token < tokens.recent) return true;
  if (tokens.group == 0 || token < tokens.sink) return false;
  const auto last_of_group = token + tokens.group - 1 - (token - tokens.sink) % tokens.group;
  return query < last_of_group;
}

bool completes_group(const CacheTokens& tokens, std::int64_t token) {
  return token >= tokens.sink && (token - tokens.sink) % tokens.group == tokens.group - 1;
}

std::int64_t tokens_in_full(const CacheTokens& tokens, std::int64_t length) {
  const auto sink = std::min(tokens.sink, length);
  auto count = sink;
  // Tokens before these are neither recent, nor is their group incomplete.
  for (auto token = std::max(sink, length - std::max(tokens.recent, tokens.group)); token < length; ++token) {
    if (reads_in_full(tokens, length - 1, token)) ++count;
  }
  return count;
}

}  // namespace fakequant
