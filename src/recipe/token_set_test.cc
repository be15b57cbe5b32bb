#include "recipe/token_set.h"

#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

std::vector<std::uint32_t> contained(const char* text) {
  const auto tokens = parse_tokens(text);
  std::vector<std::uint32_t> positions;
  for (std::uint32_t position = 0; position < 10; ++position) {
    if (tokens.contains(position)) positions.push_back(position);
  }
  return positions;
}

using Positions = std::vector<std::uint32_t>;

TEST(TokenSet, ContainsThePositionsOfItsText) {
  EXPECT_EQ(contained("all").size(), 10u);
  EXPECT_EQ(contained("0"), (Positions{0}));
  EXPECT_EQ(contained("0-3"), (Positions{0, 1, 2, 3}));
  EXPECT_EQ(contained("7-"), (Positions{7, 8, 9}));
  EXPECT_EQ(contained("0,4-6,9-"), (Positions{0, 4, 5, 6, 9}));
}

TEST(TokenSet, ReadsBackWhatItWrites) {
  for (const char* text : {"all", "0", "0-3", "1-", "0,4-7,9-"}) {
    EXPECT_EQ(to_string(parse_tokens(text)), text);
  }
}

TEST(TokenSet, RefusesAnInvalidText) {
  for (const char* text : {"", "-", "-3", "a", "3-1", "0,", ",0", "0--1", "0-1-2", "99999999999", "all,0", " 0"}) {
    EXPECT_THROW(parse_tokens(text), Error) << text;
  }
}

}  // namespace
}  // namespace fakequant
