// A set of tokens: all, or some by their position in the sequence, counted from 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

struct TokenSet {
  struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;  // inclusive

    bool operator==(const Range&) const = default;
  };

  std::vector<Range> ranges;  // empty: all tokens

  bool is_all() const { return ranges.empty(); }
  bool contains(std::uint32_t position) const;

  bool operator==(const TokenSet&) const = default;
};

// Parses "all" or positions such as "0", "0-3", "1-" (to the end) and "0,4-7". Throws a usage error.
TokenSet parse_tokens(std::string_view text);

// The text that parse_tokens reads back to the same set.
std::string to_string(const TokenSet& tokens);

}  // namespace fakequant
