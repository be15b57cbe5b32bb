// On the demo model: SOURCE names the checkout.
#include "engine/site_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/context.h"

namespace fakequant {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;

TEST(SiteSources, FollowTheGraphThroughViewsAndTheCache) {
  const Model model({std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"});
  Context context(model, {96, 1}, {});
  const auto& graph = context.graph({64, 64});
  const auto sites = find_activation_sites(graph, model.layers());
  const auto sources = find_site_sources(graph, sites);
  ASSERT_EQ(sources.size(), sites.size());
  const auto of = [&](const std::string& name) {
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (sites[s].site.name == name) return sources[s];
    }
    ADD_FAILURE() << name;
    return SiteSources{};
  };
  const auto names = [&](const std::string& name) {
    std::vector<std::string> all;
    for (const auto site : of(name).sites) all.push_back(sites[site].site.name);
    return all;
  };
  EXPECT_THAT(names("ffn_norm-2"), ElementsAre("norm-2"));
  EXPECT_THAT(of("ffn_norm-2").weights, ElementsAre("blk.2.ffn_norm.weight"));
  EXPECT_THAT(names("Qcur-2#0"), ElementsAre("attn_norm-2"));
  EXPECT_THAT(names("ffn_swiglu-2"), ElementsAre("ffn_gate-2", "ffn_up-2"));
  // Attention reads keys and values in the cache.
  EXPECT_THAT(names("kqv_out-2"), IsSupersetOf({"Qcur-2", "Kcur-2", "Vcur-2"}));
  EXPECT_THAT(names("l_out-2"), ElementsAre("ffn_inp-2", "ffn_out-2"));
  EXPECT_THAT(names("norm-0#0"), ElementsAre("embd"));
  EXPECT_THAT(of("embd").weights, ElementsAre("token_embd.weight"));
}

}  // namespace
}  // namespace fakequant
