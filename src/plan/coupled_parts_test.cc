#include "plan/coupled_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::ElementsAre;

PlanPart part(const std::string& word, std::optional<int> layer, const std::vector<std::string>& names = {}) {
  PlanPart part;
  part.site = "w:" + word;
  part.layer = layer;
  part.names = names;
  if (names.empty()) part.names = {layer ? "blk." + std::to_string(*layer) + "." + word + ".weight" : word + ".weight"};
  return part;
}

TEST(CoupledParts, AreOfOneLayer) {
  const std::vector<PlanPart> parts = {part("attn_q", 0),   part("attn_k", 0),   part("attn_v", 1), part("attn_q", 1),
                                       part("ffn_gate", 0), part("ffn_down", 0), part("ffn_up", 0), part("output", {})};
  const auto alone = coupled_parts(parts, {});
  ASSERT_EQ(alone.size(), parts.size());
  for (std::size_t p = 0; p < parts.size(); ++p) EXPECT_THAT(alone[p], ElementsAre(p));
  EXPECT_THAT(coupled_parts(parts, {Couple::qkv}),
              ElementsAre(ElementsAre(0u, 1u), ElementsAre(2u, 3u), ElementsAre(4u), ElementsAre(5u), ElementsAre(6u),
                          ElementsAre(7u)));
  EXPECT_THAT(
      coupled_parts(parts, {Couple::gate_up, Couple::qkv}),
      ElementsAre(ElementsAre(0u, 1u), ElementsAre(2u, 3u), ElementsAre(4u, 6u), ElementsAre(5u), ElementsAre(7u)));
}

TEST(CoupledParts, OfExpertsAreByThemselves) {
  const std::vector<PlanPart> parts = {part("ffn_gate_exps", 2), part("ffn_up_exps", 2),    part("ffn_down_exps", 2),
                                       part("ffn_up_shexp", 2),  part("ffn_gate_shexp", 2), part("ffn_up", 2)};
  EXPECT_THAT(coupled_parts(parts, {Couple::gate_up}),
              ElementsAre(ElementsAre(0u, 1u), ElementsAre(2u), ElementsAre(3u, 4u), ElementsAre(5u)));
  EXPECT_THAT(coupled_parts(parts, {Couple::experts}),
              ElementsAre(ElementsAre(0u, 1u, 2u), ElementsAre(3u), ElementsAre(4u), ElementsAre(5u)));
}

TEST(CoupledParts, OfWholeSitesShareALayer) {
  const std::vector<PlanPart> parts = {part("attn_q", {}, {"blk.0.attn_q.weight", "blk.1.attn_q.weight"}),
                                       part("attn_v", 1), part("attn_v", 0)};
  EXPECT_THAT(coupled_parts(parts, {Couple::qkv}), ElementsAre(ElementsAre(0u, 1u, 2u)));
}

TEST(CoupledParts, HaveNames) {
  EXPECT_EQ(parse_couple("gate-up"), Couple::gate_up);
  EXPECT_EQ(parse_couple("experts"), Couple::experts);
  EXPECT_THROW(parse_couple("gate"), Error);
}

}  // namespace
}  // namespace fakequant
