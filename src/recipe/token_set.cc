#include "recipe/token_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::uint32_t kNoEnd = std::numeric_limits<std::uint32_t>::max();

[[noreturn]] void refuse_tokens(std::string_view text) {
  throw usage_error(fmt::format(
      "'{}' names no tokens: write all or positions in the sequence, from 0, such as 0, 0-3, 1- or 0,4-7", text));
}

std::uint32_t parse_position(std::string_view number, std::string_view whole) {
  const auto position = number_of_text<std::uint32_t>(number);
  if (!position || *position == kNoEnd) refuse_tokens(whole);
  return *position;
}

TokenSet::Range parse_token_range(std::string_view part, std::string_view whole) {
  const auto dash = part.find('-');
  const auto first = parse_position(part.substr(0, dash), whole);
  if (dash == std::string_view::npos) return {first, first};
  const auto end = part.substr(dash + 1);
  const TokenSet::Range range{first, end.empty() ? kNoEnd : parse_position(end, whole)};
  if (range.first > range.last) refuse_tokens(whole);
  return range;
}

}  // namespace

bool TokenSet::contains(std::uint32_t position) const {
  return is_all() || std::any_of(ranges.begin(), ranges.end(),
                                 [&](const Range& range) { return range.first <= position && position <= range.last; });
}

TokenSet parse_tokens(std::string_view text) {
  TokenSet tokens;
  if (text == "all") return tokens;
  for (auto rest = text;;) {
    const auto comma = rest.find(',');
    tokens.ranges.push_back(parse_token_range(rest.substr(0, comma), text));
    if (comma == std::string_view::npos) return tokens;
    rest = rest.substr(comma + 1);
  }
}

std::string to_string(const TokenSet& tokens) {
  if (tokens.is_all()) return "all";
  std::string text;
  for (const auto& range : tokens.ranges) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}", range.first);
    if (range.last == range.first) continue;
    text += range.last == kNoEnd ? "-" : fmt::format("-{}", range.last);
  }
  return text;
}

}  // namespace fakequant
