#include "engine/token_rows.h"

#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

const TokenBatch kBatch = {{5, 6, 7, 8, 9, 10}, {8, 9, 10}};

// The dimension of a node that has these shapes for two and three tokens.
TokenDimension dimension_of(const NodeShape& two, const NodeShape& three) {
  return find_token_dimension({two}, {three});
}

TEST(TokenRows, FindTheTokensWhereverTheyAreCounted) {
  const auto rows = token_layout({64, 6, 1, 1}, dimension_of({64, 2, 1, 1}, {64, 3, 1, 1}), kBatch);
  EXPECT_EQ(rows.inner, 64);
  EXPECT_EQ(rows.tokens, 6);
  EXPECT_EQ(rows.outer, 1);
  EXPECT_EQ(rows.row, 64);
  EXPECT_EQ(rows.positions, kBatch.positions);

  const auto heads = token_layout({16, 4, 6, 1}, dimension_of({16, 4, 2, 1}, {16, 4, 3, 1}), kBatch);
  EXPECT_EQ(heads.inner, 64);
  EXPECT_EQ(heads.tokens, 6);
  EXPECT_EQ(heads.row, 16);

  // keys x tokens x heads
  const auto scores = token_layout({32, 6, 4, 1}, dimension_of({32, 2, 4, 1}, {32, 3, 4, 1}), kBatch);
  EXPECT_EQ(scores.inner, 32);
  EXPECT_EQ(scores.tokens, 6);
  EXPECT_EQ(scores.outer, 4);

  const auto channels = token_layout({6, 64, 1, 1}, dimension_of({2, 64, 1, 1}, {3, 64, 1, 1}), kBatch);
  EXPECT_EQ(channels.inner, 1);
  EXPECT_EQ(channels.tokens, 6);
  EXPECT_EQ(channels.outer, 64);
  EXPECT_EQ(channels.row, 64);
}

TEST(TokenRows, AreNotMistakenWhereAsManyHeadsAsTokensAre) {
  EXPECT_EQ(dimension_of({16, 2, 2, 1}, {16, 2, 3, 1}).index, 2u);
  EXPECT_EQ(dimension_of({16, 3, 2, 1}, {16, 3, 3, 1}).index, 2u);
  EXPECT_EQ(dimension_of({32, 2, 2, 1}, {32, 3, 2, 1}).index, 1u);
}

TEST(TokenRows, CountTheOutputsInTheLastLayer) {
  const auto dimension = dimension_of({64, 2, 1, 1}, {64, 3, 1, 1});
  EXPECT_EQ(token_layout({64, 3, 1, 1}, dimension, kBatch).positions, kBatch.output_positions);
  EXPECT_EQ(token_layout({64, 0, 1, 1}, dimension, {{5, 6}, {}}).tokens, 0);
  EXPECT_THROW(token_layout({64, 4, 1, 1}, dimension, kBatch), Error);
}

TEST(TokenRows, AreFoundInAViewWhereTheyAreMergedWithSomethingElse) {
  const auto dimension = find_token_dimension({{64, 8, 1, 1}, {256, 2, 1, 1}}, {{64, 12, 1, 1}, {256, 3, 1, 1}});
  EXPECT_EQ(dimension.kind, TokenDimension::found);
  const auto layout = token_layout({64, 24, 1, 1}, dimension, kBatch);
  EXPECT_EQ(layout.inner, 256);
  EXPECT_EQ(layout.tokens, 6);
  EXPECT_EQ(layout.row, 64);
}

TEST(TokenRows, SayWhereTokensCannotBeToldApart) {
  EXPECT_EQ(dimension_of({5, 64, 1, 1}, {6, 64, 1, 1}).kind, TokenDimension::mixed);
  EXPECT_EQ(dimension_of({512, 1, 1, 1}, {512, 1, 1, 1}).kind, TokenDimension::none);
  EXPECT_EQ(find_token_dimension({}, {}).kind, TokenDimension::mixed);
  const auto state = token_layout({512, 2, 1, 1}, {TokenDimension::none, 0, false, {}}, kBatch);
  EXPECT_EQ(state.inner, 1024);
  EXPECT_EQ(state.positions, (std::vector<std::uint64_t>{0}));
}

}  // namespace
}  // namespace fakequant
