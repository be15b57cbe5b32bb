#include "engine/token_rows.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

const TokenBatch kBatch = {{5, 6, 7, 8, 9, 10}, {8, 9, 10}};

TEST(TokenRows, FindTheTokensWhereverTheyAreCounted) {
  const auto rows = token_layout({64, 6, 1, 1}, {64, 1, 1, 1}, kBatch);
  EXPECT_EQ(rows.inner, 64);
  EXPECT_EQ(rows.tokens, 6);
  EXPECT_EQ(rows.outer, 1);
  EXPECT_EQ(rows.places, kBatch.places);

  const auto heads = token_layout({16, 4, 6, 1}, {16, 4, 1, 1}, kBatch);
  EXPECT_EQ(heads.inner, 64);
  EXPECT_EQ(heads.tokens, 6);

  const auto scores = token_layout({32, 6, 4, 1}, {32, 1, 4, 1}, kBatch);  // keys x tokens x heads
  EXPECT_EQ(scores.inner, 32);
  EXPECT_EQ(scores.tokens, 6);
  EXPECT_EQ(scores.outer, 4);
}

TEST(TokenRows, FindTokensThatLieSideBySide) {
  const auto channels = token_layout({6, 64, 1, 1}, {1, 64, 1, 1}, kBatch);
  EXPECT_EQ(channels.inner, 1);
  EXPECT_EQ(channels.tokens, 6);
  EXPECT_EQ(channels.outer, 64);
  EXPECT_EQ(channels.row, 64);
  EXPECT_EQ(token_layout({64, 6, 1, 1}, {64, 1, 1, 1}, kBatch).row, 64);
}

TEST(TokenRows, SayWhereTokensCannotBeToldApart) {
  EXPECT_FALSE(token_layout({9, 64, 1, 1}, {4, 64, 1, 1}, kBatch).is_by_token);
  EXPECT_FALSE(token_layout({512, 1, 1, 1}, {512, 1, 1, 1}, kBatch).is_by_token);
  EXPECT_TRUE(token_layout({512, 1, 1, 1}, {512, 1, 1, 1}, {{5}, {5}}).is_by_token);
}

TEST(TokenRows, AreNotMistakenWhereAsManyHeadsAsTokensAre) {
  const auto heads = token_layout({16, 6, 6, 1}, {16, 6, 1, 1}, kBatch);
  EXPECT_EQ(heads.inner, 96);
  const auto scores = token_layout({32, 6, 6, 1}, {32, 1, 6, 1}, kBatch);
  EXPECT_EQ(scores.inner, 32);
  EXPECT_EQ(scores.outer, 6);
}

TEST(TokenRows, CountTheOutputsInTheLastLayer) {
  const auto rows = token_layout({64, 3, 1, 1}, {64, 1, 1, 1}, kBatch);
  EXPECT_EQ(rows.tokens, 3);
  EXPECT_EQ(rows.places, kBatch.output_places);
}

TEST(TokenRows, DoNotTakeOneOutputForOneToken) {
  const TokenBatch last_only = {{0, 1, 2, 3}, {3}};
  EXPECT_EQ(token_layout({64, 4, 1, 1}, {64, 1, 1, 1}, last_only).tokens, 4);
  const auto output = token_layout({64, 1, 1, 1}, {64, 1, 1, 1}, last_only);
  EXPECT_EQ(output.inner, 64);
  EXPECT_EQ(output.places, std::vector<std::uint64_t>{3});
}

TEST(TokenRows, AreOneTokensWhereThereIsOneOrNoneCanBeToldApart) {
  const auto one = token_layout({16, 4, 1, 1}, {16, 4, 1, 1}, {{7}, {7}});
  EXPECT_EQ(one.inner, 64);
  EXPECT_EQ(one.places, std::vector<std::uint64_t>{7});
  const auto none = token_layout({16, 2, 1, 1}, {16, 2, 1, 1}, kBatch);
  EXPECT_EQ(none.inner, 32);
  EXPECT_EQ(none.tokens, 1);
}

}  // namespace
}  // namespace fakequant
