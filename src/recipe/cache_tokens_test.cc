#include "recipe/cache_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

std::string cache_refusal(const std::vector<FormatOption>& options) {
  try {
    make_cache_tokens(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(CacheTokens, AreReadAndWrittenAsOptions) {
  EXPECT_EQ(make_cache_tokens({{"keep", "sink:4,recent:128"}}), (CacheTokens{4, 128, 0}));
  EXPECT_EQ(make_cache_tokens({{"keep", "'recent:128,sink:4'"}}), (CacheTokens{4, 128, 0}));
  EXPECT_EQ(make_cache_tokens({{"per", "channel"}}), (CacheTokens{0, 0, 32}));
  EXPECT_EQ(make_cache_tokens({{"group", "64"}, {"per", "channel"}}), (CacheTokens{0, 0, 64}));
  EXPECT_EQ(make_cache_tokens({{"keep", "sink:0,recent:0"}}), CacheTokens());
  for (const auto& tokens : {CacheTokens{4, 128, 0}, CacheTokens{4, 0, 0}, CacheTokens{0, 1, 32}, CacheTokens()}) {
    EXPECT_EQ(make_cache_tokens(options_of(tokens)), tokens);
  }
  EXPECT_TRUE(is_cache_option({"keep", ""}) && is_cache_option({"group", "x"}) && is_cache_option({"per", "channel"}));
  EXPECT_FALSE(is_cache_option({"per", "row"}) || is_cache_option({"block", "32"}));
}

TEST(CacheTokens, RefuseWhatIsNone) {
  for (const auto* kept : {"", "4", "sink", "sink:", "sink:-1", "sink:4,sink:5", "recent:x", "sink:4,", "last:3"}) {
    EXPECT_THAT(cache_refusal({{"keep", kept}}), HasSubstr("keep= takes sink:N, recent:N or both")) << kept;
  }
  for (const auto* group : {"", "0", "-1", "x", "1.5"}) {
    EXPECT_THAT(cache_refusal({{"per", "channel"}, {"group", group}}), HasSubstr("group= takes a whole number"));
  }
  EXPECT_THAT(cache_refusal({{"group", "32"}}), HasSubstr("add per=channel"));
  EXPECT_THAT(cache_refusal({{"keep", "sink:4"}, {"keep", "sink:4"}}), HasSubstr("keep= occurs twice"));
}

TEST(CacheTokens, AreReadInFullWhileTheyAreRecent) {
  const CacheTokens tokens{2, 3, 0};
  EXPECT_TRUE(reads_in_full(tokens, 10, 10));
  EXPECT_TRUE(reads_in_full(tokens, 10, 8));
  EXPECT_FALSE(reads_in_full(tokens, 10, 7));
  EXPECT_FALSE(reads_in_full({}, 10, 10));
  EXPECT_TRUE(depends_on_query(tokens));
  EXPECT_FALSE(depends_on_query({.sink = 4}));
}

TEST(CacheTokens, AreReadInFullUntilTheirGroupIsComplete) {
  const CacheTokens tokens{.group = 4};
  EXPECT_TRUE(reads_in_full(tokens, 4, 4));
  EXPECT_TRUE(reads_in_full(tokens, 6, 4));
  EXPECT_FALSE(reads_in_full(tokens, 7, 4));
  EXPECT_FALSE(reads_in_full(tokens, 7, 7));
  EXPECT_FALSE(reads_in_full(tokens, 6, 3));
  EXPECT_TRUE(completes_group(tokens, 3) && completes_group(tokens, 7));
  EXPECT_FALSE(completes_group(tokens, 0) || completes_group(tokens, 4));
}

TEST(CacheTokens, AreCountedInFullAtTheEndOfAText) {
  EXPECT_EQ(tokens_in_full({}, 100), 0);
  EXPECT_EQ(tokens_in_full({4, 16, 0}, 100), 20);
  EXPECT_EQ(tokens_in_full({4, 16, 0}, 10), 10);
  EXPECT_EQ(tokens_in_full({.group = 32}, 100), 4);
  EXPECT_EQ(tokens_in_full({.group = 32}, 96), 0);
  EXPECT_EQ(tokens_in_full({.sink = 4, .group = 32}, 100), 4);
  EXPECT_EQ(tokens_in_full({.sink = 6, .group = 32}, 100), 6 + 30);
  EXPECT_EQ(tokens_in_full({.recent = 16, .group = 32}, 100), 16);
  EXPECT_EQ(tokens_in_full({.recent = 2, .group = 128}, 100), 100);
}

TEST(CacheTokens, FormGroupsAfterTheFirstTokens) {
  const CacheTokens tokens{.sink = 2, .group = 4};
  EXPECT_FALSE(completes_group(tokens, 1) || completes_group(tokens, 3));
  EXPECT_TRUE(completes_group(tokens, 5) && completes_group(tokens, 9));
  EXPECT_TRUE(reads_in_full(tokens, 4, 2));
  EXPECT_FALSE(reads_in_full(tokens, 5, 2));
}

}  // namespace
}  // namespace fakequant
