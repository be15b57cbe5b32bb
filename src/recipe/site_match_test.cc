#include "recipe/site_match.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
  const auto winners = match_sites({parse_rule(rule)}, kWeights, 2);
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

// Two layers of a model, with an output of its own where `has_output`.
std::vector<Site> shaped_weights(bool has_output) {
  std::vector<Site> sites = {
      {"token_embd.weight", {}}, {"blk.0.attn_norm.weight", 0}, {"blk.0.ffn_up.weight", 0}, {"blk.1.ffn_up.weight", 1}};
  if (has_output) sites.push_back({"output.weight", {}});
  for (auto& site : sites)
    site.shape =
        site.name == "blk.0.attn_norm.weight" ? std::vector<std::int64_t>{64} : std::vector<std::int64_t>{64, 32};
  return sites;
}

std::string taken(const std::string& rule, bool has_output = true) {
  const auto sites = shaped_weights(has_output);
  try {
    const auto winners = match_sites({parse_rule(rule)}, sites, 2);
    std::string names;
    for (std::size_t i = 0; i < winners.size(); ++i) {
      if (winners[i]) names += (names.empty() ? "" : " ") + sites[i].name;
    }
    return names;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(MatchSites, FindsWeightsByClass) {
  EXPECT_EQ(taken("w:matrices=bf16"), "blk.0.ffn_up.weight blk.1.ffn_up.weight");
  EXPECT_EQ(taken("w:matrices@1=bf16"), "blk.1.ffn_up.weight");
  EXPECT_EQ(taken("w:norms=bf16"), "blk.0.attn_norm.weight");
  EXPECT_EQ(taken("w:embedding=bf16"), "token_embd.weight");
  EXPECT_EQ(taken("w:output=bf16"), "output.weight");
  EXPECT_THAT(taken("w:output=bf16", false), HasSubstr("its embedding is its output: write w:embedding"));
}

TEST(MatchSites, LeavesOutExceptions) {
  EXPECT_EQ(taken("w:*@except:embedding@except:ffn_up@0=bf16"),
            "blk.0.attn_norm.weight blk.1.ffn_up.weight output.weight");
  EXPECT_THAT(taken("w:matrices@except:fnn_up=bf16"),
              HasSubstr("the exception 'w:fnn_up' of rule 'w:matrices@except:fnn_up=bf16' matches no weight"));
  EXPECT_THAT(taken("w:matrices@except:ffn_up@7=bf16"), HasSubstr("layer 7 of the exception"));
  EXPECT_THAT(taken("w:matrices@except:*=bf16"), HasSubstr("matches nothing of this model that its exceptions leave"));
}

TEST(MatchSites, WithLayersSelectsNothingOutsideTheLayers) {
  EXPECT_EQ(won("w:*norm*@0-1=bf16"), (Names{"blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight"}));
}

TEST(MatchSites, LetsTheLastRuleWin) {
  const Recipe recipe = {parse_rule("w:ffn_norm=bf16"), parse_rule("w:ffn_norm@1=bf16,round=zero")};
  const auto winners = match_sites(recipe, kWeights, 2);
  EXPECT_EQ(winners[1], std::optional<std::size_t>(0));
  EXPECT_EQ(winners[3], std::optional<std::size_t>(1));
  EXPECT_FALSE(winners[0]);
}

TEST(MatchSites, SuggestsTheNearestSelectorsWhereNothingMatches) {
  EXPECT_THAT(refusal("w:fnn_norm=bf16"), HasSubstr("the nearest are ffn_norm,"));
  EXPECT_THAT(refusal("w:ffn_up.bias=bf16"), HasSubstr("matches no weight"));
  EXPECT_THAT(refusal("w:output_norm@0=bf16"), HasSubstr("matches no weight"));
}

TEST(MatchSites, RefusesLayersOutOfRange) {
  EXPECT_THAT(refusal("w:ffn_norm@2=bf16"), HasSubstr("layer 2 of rule 'w:ffn_norm@2=bf16' is out of range"));
  EXPECT_THAT(refusal("w:ffn_norm@0-7=bf16"), HasSubstr("layers 0 to 1"));
}

TEST(MatchSites, FindsActivationsByWordAndName) {
  std::vector<Site> nodes = {{"ffn_norm-0", 0}, {"ffn_norm-1", 1}, {"ffn_norm_x-1", 1}, {"result_norm", {}}};
  for (auto& node : nodes) node.node_names = {{node.name}};
  const auto count = [&](const std::string& rule) {
    const auto winners = match_sites({parse_rule(rule)}, nodes, 2);
    return std::count_if(winners.begin(), winners.end(), [](const auto& w) { return w.has_value(); });
  };
  EXPECT_EQ(count("a:ffn_norm=bf16"), 2);
  EXPECT_EQ(count("a:ffn_norm@1=bf16"), 1);
  EXPECT_EQ(count("a:ffn_norm-0=bf16"), 1);
  EXPECT_EQ(count("a:result_norm=bf16"), 1);
  EXPECT_EQ(count("a:ffn_norm*=bf16"), 3);
}

// A layer of a model with two feed-forward products, three nodes of one name, and a value without a name.
const std::vector<Site> kNodes = {
    {"Qcur-0#0", 0, {{"Qcur-0", 0, false}}},
    {"Qcur-0", 0, {{"Qcur-0", 1, true}, {"Qrot-0", 0, true}}},
    {"ffn_norm-0", 0, {{"ffn_norm-0"}}, {{"blk.0.ffn_up.weight", 0}, {"blk.0.ffn_gate.weight", 0}}},
    {"in(blk.0.ffn_down.weight)", 0, {}, {{"blk.0.ffn_down.weight", 0}}},
    {"fattn-1 (permuted) (cont)", 1, {{"fattn-1 (permuted) (cont)"}}, {{"blk.1.attn_output.weight", 1}}},
    {"result_norm", {}, {{"result_norm"}}, {{"output.weight", {}}}},
    {"ffn_up-0", 0, {{"ffn_up-0"}}, {}, false, WeightName{"blk.0.ffn_up.weight", 0}},
    {"out(blk.1.ssm_dt.weight)", 1, {}, {}, false, WeightName{"blk.1.ssm_dt.weight", 1}},
    {"result_output", {}, {{"result_output"}}, {}, true, WeightName{"output.weight", {}}}};

// The sites that an activation rule wins, or its error message.
std::vector<std::string> nodes_of(const std::string& rule) {
  std::vector<std::string> names;
  try {
    const auto winners = match_sites({parse_rule(rule)}, kNodes, 2);
    for (std::size_t i = 0; i < winners.size(); ++i) {
      if (winners[i]) names.push_back(kNodes[i].name);
    }
  } catch (const Error& error) {
    names.emplace_back(error.what());
  }
  return names;
}

TEST(MatchSites, SelectsTheLastOfANameUnlessOneIsNumbered) {
  EXPECT_EQ(nodes_of("a:Qcur=bf16"), (Names{"Qcur-0"}));
  EXPECT_EQ(nodes_of("a:Qcur#1=bf16"), (Names{"Qcur-0"}));
  EXPECT_EQ(nodes_of("a:Qcur#0=bf16"), (Names{"Qcur-0#0"}));
  EXPECT_EQ(nodes_of("a:Qcur-0#0=bf16"), (Names{"Qcur-0#0"}));
  EXPECT_EQ(nodes_of("a:Qrot=bf16"), (Names{"Qcur-0"}));
  EXPECT_EQ(nodes_of("a:Q*=bf16"), (Names{"Qcur-0#0", "Qcur-0"}));
  EXPECT_EQ(nodes_of("a:*#0=bf16"), (Names{"Qcur-0#0"}));
  EXPECT_EQ(nodes_of("a:*=bf16").size(), kNodes.size());
}

TEST(MatchSites, SelectsByRolesThatFollowFromTheGraph) {
  Site cache{"k_cache-1", 1}, queries{"Qcur-1", 1, {{"Qcur-1"}}};
  cache.roles = {"k_cache"};
  cache.is_cache_write = true;
  queries.roles = {"q"};
  const auto count = [&](const std::string& rule) {
    const auto winners = winning_rules({parse_rule(rule)}, {cache, queries}, 2);
    return std::count_if(winners.begin(), winners.end(), [](const auto& w) { return w.has_value(); });
  };
  for (const auto* rule : {"a:k_cache=bf16", "a:k_cache@1=bf16", "a:k_cache-1=bf16", "a:q=bf16", "a:Qcur=bf16"}) {
    EXPECT_EQ(count(rule), 1) << rule;
  }
  EXPECT_EQ(count("a:k_cache@0=bf16"), 0);
  EXPECT_EQ(count("a:v_cache=bf16"), 0);
  EXPECT_EQ(count("a:*=bf16"), 1) << "what is written into the cache is a node's result already";
}

TEST(MatchSites, FindsTheInputOfAWeight) {
  EXPECT_EQ(nodes_of("a:in(ffn_up)=bf16"), (Names{"ffn_norm-0"}));
  EXPECT_EQ(nodes_of("a:in(blk.0.ffn_down.weight)=bf16"), (Names{"in(blk.0.ffn_down.weight)"}));
  EXPECT_THAT(nodes_of("a:in(ffn_*)=bf16").front(),
              HasSubstr("the nearest are in(ffn_up), in(ffn_down), in(ffn_gate)"));
  EXPECT_EQ(nodes_of("a:in(*ffn_*)=bf16"), (Names{"ffn_norm-0", "in(blk.0.ffn_down.weight)"}));
  EXPECT_EQ(nodes_of("a:in(*)@1=bf16"), (Names{"fattn-1 (permuted) (cont)"}));
  EXPECT_EQ(nodes_of("a:in(output)=bf16"), (Names{"result_norm"}));
}

TEST(MatchSites, FindsTheResultOfAWeightsProduct) {
  EXPECT_EQ(nodes_of("a:out(ffn_up)=bf16"), (Names{"ffn_up-0"}));
  EXPECT_EQ(nodes_of("a:out(blk.1.ssm_dt.weight)=bf16"), (Names{"out(blk.1.ssm_dt.weight)"}));
  EXPECT_EQ(nodes_of("a:out(blk.*.ffn_*.weight)=bf16"), (Names{"ffn_up-0"}));
  EXPECT_EQ(nodes_of("a:out(*)@1=bf16"), (Names{"out(blk.1.ssm_dt.weight)"}));
  EXPECT_EQ(nodes_of("a:out(*)=bf16"), (Names{"ffn_up-0", "out(blk.1.ssm_dt.weight)", "result_output"}));
  EXPECT_EQ(nodes_of("a:out(matrices)=bf16"), (Names{"ffn_up-0", "out(blk.1.ssm_dt.weight)"}));
  EXPECT_EQ(nodes_of("a:out(matrices)@except:out(ssm_dt)=bf16"), (Names{"ffn_up-0"}));
  EXPECT_THAT(nodes_of("a:out(fnn_up)=bf16").front(),
              HasSubstr("the nearest are out(ffn_up), out(output), out(ssm_dt)"));
  EXPECT_THAT(nodes_of("a:out(ffn_up)@1=bf16").front(), HasSubstr("matches no activation"));
}

TEST(MatchSites, FindsOneOfSeveralProductsWithAWeight) {
  // A layer that is computed twice.
  std::vector<Site> sites;
  for (const int pass : {0, 1}) {
    sites.push_back({fmt::format("in(blk.0.ffn_up.weight)#{}", pass), 0, {}, {{"blk.0.ffn_up.weight", 0, pass}}});
    sites.push_back({fmt::format("out(blk.0.ffn_up.weight)#{}", pass),
                     0,
                     {},
                     {},
                     false,
                     WeightName{"blk.0.ffn_up.weight", 0, pass}});
  }
  for (const auto& site : sites) {
    for (const auto& other : sites) {
      EXPECT_EQ(selects(parse_site_pattern("a:" + site.name), other, 1), site.name == other.name);
    }
  }
  const auto count = [&](const char* pattern) {
    return std::count_if(sites.begin(), sites.end(),
                         [&](const Site& site) { return selects(parse_site_pattern(pattern), site, 1); });
  };
  EXPECT_EQ(count("a:in(ffn_up)"), 2);
  EXPECT_EQ(count("a:in(ffn_up)#1"), 1);
  EXPECT_EQ(count("a:in(*)#1"), 1);
  EXPECT_EQ(count("a:out(ffn_up)#2"), 0);
  EXPECT_EQ(count("a:out(matrices)"), 2);
}

TEST(MatchSites, NumbersTheOnlyProductWithAWeightZero) {
  EXPECT_EQ(nodes_of("a:out(ffn_up)#0=bf16"), (Names{"ffn_up-0"}));
  EXPECT_THAT(nodes_of("a:out(ffn_up)#1=bf16").front(), HasSubstr("matches no activation"));
}

TEST(MatchSites, FindsRoles) {
  EXPECT_EQ(nodes_of("a:ffn_input=bf16"), (Names{"ffn_norm-0"}));
  EXPECT_EQ(nodes_of("a:ffn_down_input=bf16"), (Names{"in(blk.0.ffn_down.weight)"}));
  EXPECT_EQ(nodes_of("a:attn_output_input@1=bf16"), (Names{"fattn-1 (permuted) (cont)"}));
  EXPECT_EQ(nodes_of("a:logits=bf16"), (Names{"result_output"}));
  EXPECT_THAT(nodes_of("a:attn_input=bf16").front(), HasSubstr("the nearest are ffn_input, "));
  EXPECT_THAT(nodes_of("a:logits@0=bf16").front(), HasSubstr("matches no activation"));
}

TEST(MatchSites, FindsNodesWhoseNamesGgmlExtended) {
  EXPECT_EQ(nodes_of("a:fattn (permuted) (cont)=bf16"), (Names{"fattn-1 (permuted) (cont)"}));
  EXPECT_EQ(nodes_of("a:fattn*@1=bf16"), (Names{"fattn-1 (permuted) (cont)"}));
  EXPECT_EQ(layer_of_node("fattn-1 (permuted) (cont)", 2), std::optional<int>(1));
  EXPECT_EQ(layer_of_node("fattn-2", 2), std::nullopt);
  EXPECT_EQ(layer_of_node("a-b", 2), std::nullopt);
}

}  // namespace
}  // namespace fakequant
