#include "recipe/site_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

const std::vector<Site> kWeights = {{"token_embd.weight", {}},      {"blk.0.ffn_norm.weight", 0},
                                    {"blk.0.ffn_up.weight", 0},     {"blk.1.ffn_norm.weight", 1},
                                    {"blk.1.ffn_up.weight", 1},     {"blk.1.ffn_up.bias", 1},
                                    {"dec.blk.1.ffn_up.weight", 1}, {"output_norm.weight", {}}};

// The sites that a weight rule wins, by name.
std::vector<std::string> won(const std::string& rule) {
  const auto winners = match_sites({parse_rule(rule)}, SiteKind::weight, kWeights, 2);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < winners.size(); ++i) {
    if (winners[i]) names.push_back(kWeights[i].name);
  }
  return names;
}

std::string refusal(const std::string& rule) {
  try {
    won(rule);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

using Names = std::vector<std::string>;

TEST(MatchSites, FindsWeightsByWordNameAndGlob) {
  EXPECT_EQ(won("w:ffn_norm=bf16"), (Names{"blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight"}));
  EXPECT_EQ(won("w:ffn_norm@1=bf16"), (Names{"blk.1.ffn_norm.weight"}));
  EXPECT_EQ(won("w:ffn_up=bf16"), (Names{"blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "dec.blk.1.ffn_up.weight"}));
  EXPECT_EQ(won("w:output_norm=bf16"), (Names{"output_norm.weight"}));
  EXPECT_EQ(won("w:blk.1.ffn_up.bias=bf16"), (Names{"blk.1.ffn_up.bias"}));
  EXPECT_EQ(won("w:blk.*.ffn_up.*=bf16"), (Names{"blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "blk.1.ffn_up.bias"}));
  EXPECT_EQ(won("w:*=bf16").size(), kWeights.size());
}

TEST(MatchSites, LeavesOutWhatHasNoLayerWhereLayersAreNamed) {
  EXPECT_EQ(won("w:*norm*@0-1=bf16"), (Names{"blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight"}));
}

TEST(MatchSites, LetsTheLastRuleWin) {
  const Recipe recipe = {parse_rule("w:ffn_norm=bf16"), parse_rule("w:ffn_norm@1=bf16,round=zero")};
  const auto winners = match_sites(recipe, SiteKind::weight, kWeights, 2);
  EXPECT_EQ(winners[1], std::optional<std::size_t>(0));
  EXPECT_EQ(winners[3], std::optional<std::size_t>(1));
  EXPECT_FALSE(winners[0]);
}

TEST(MatchSites, NamesTheNearestWhereNothingMatches) {
  EXPECT_THAT(refusal("w:fnn_norm=bf16"), HasSubstr("the nearest are ffn_norm,"));
  EXPECT_THAT(refusal("w:ffn_up.bias=bf16"), HasSubstr("matches no weight"));
  EXPECT_THAT(refusal("w:output_norm@0=bf16"), HasSubstr("matches no weight"));
}

TEST(MatchSites, RefusesLayersOutOfRange) {
  EXPECT_THAT(refusal("w:ffn_norm@2=bf16"), HasSubstr("layer 2 of rule 'w:ffn_norm@2=bf16' is out of range"));
  EXPECT_THAT(refusal("w:ffn_norm@0-7=bf16"), HasSubstr("layers 0 to 1"));
}

TEST(MatchSites, FindsActivationsByWordAndName) {
  const std::vector<Site> nodes = {{"ffn_norm-0", 0}, {"ffn_norm-1", 1}, {"ffn_norm_x-1", 1}, {"result_norm", {}}};
  const auto count = [&](const std::string& rule) {
    const auto winners = match_sites({parse_rule(rule)}, SiteKind::activation, nodes, 2);
    return std::count_if(winners.begin(), winners.end(), [](const auto& w) { return w.has_value(); });
  };
  EXPECT_EQ(count("a:ffn_norm=bf16"), 2);
  EXPECT_EQ(count("a:ffn_norm@1=bf16"), 1);
  EXPECT_EQ(count("a:ffn_norm-0=bf16"), 1);
  EXPECT_EQ(count("a:result_norm=bf16"), 1);
  EXPECT_EQ(count("a:ffn_norm*=bf16"), 3);
}

TEST(GlobMatch, KnowsStarAndQuestionMark) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*b*c", "aXbYbZc"));
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_FALSE(glob_match("a*b", "abc"));
  EXPECT_FALSE(glob_match("", "a"));
}

}  // namespace
}  // namespace fakequant
