#include "report/rule_lines.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(RuleLines, CountWhatEachRuleTakes) {
  const std::vector<WeightsOfRule> rules = {
      {"w:blk.*.attn_*.weight=int4", {{WeightClass::matrix, 28}, {WeightClass::norm, 1}}, false},
      {"w:embedding=int8", {{WeightClass::embedding, 1}}, true},
      {"w:ffn_up=int8", {}, false}};
  EXPECT_EQ(rule_lines(rules, ""),
            "w:blk.*.attn_*.weight=int4: 28 matrices, 1 norm\n"
            "w:embedding=int8: 1 embedding; the embedding is also the output\n"
            "w:ffn_up=int8: nothing, later rules take it all\n");
  EXPECT_EQ(rule_lines({rules[0]}, "w4"), "w4: w:blk.*.attn_*.weight=int4: 28 matrices, 1 norm\n");
}

}  // namespace
}  // namespace fakequant
