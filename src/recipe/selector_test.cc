#include "recipe/selector.h"

#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

TEST(Selector, ReadsAndWritesItsText) {
  for (const char* text : {"ffn_norm", "Qcur#0", "blk.*.ffn_*", "in(ffn_up)", "in(blk.0.*)", "out(ffn_up)", "out(*)",
                           "in(ffn_up)#1", "out(blk.*.ffn_*)#0", "ffn_input", "Q*#0"}) {
    EXPECT_EQ(to_string(parse_selector(SiteKind::activation, text)), text);
  }
}

TEST(Selector, HasAForm) {
  const auto form = [](const char* text) { return parse_selector(SiteKind::activation, text).form; };
  EXPECT_EQ(form("ffn_norm"), Selector::name);
  EXPECT_EQ(form("in(ffn_up)"), Selector::input_of);
  EXPECT_EQ(form("out(ffn_up)"), Selector::output_of);
  EXPECT_EQ(form("output"), Selector::name);
  for (const auto& role : role_names()) EXPECT_EQ(form(role.c_str()), Selector::role) << role;
  // Roles are for activations: a weight may have any name.
  EXPECT_EQ(parse_selector(SiteKind::weight, "logits").form, Selector::name);
}

TEST(Selector, RefusesAnInvalidText) {
  for (const char* text : {"", "in(", "in()", "in(a", "in(a(b))", "out(", "out()", "out(a", "out(a#0)", "out(a)#",
                           "in(a)#x", "in(a)#-1", "in(a)0", "x#", "x#y", "x#-1", "#0"}) {
    EXPECT_THROW(parse_selector(SiteKind::activation, text), Error) << text;
  }
  EXPECT_THROW(parse_selector(SiteKind::weight, "in(ffn_up)"), Error);
  EXPECT_THROW(parse_selector(SiteKind::weight, "out(ffn_up)"), Error);
}

TEST(Role, BelongsToTheInputsOfCertainWeights) {
  for (const char* word : {"ffn_up", "ffn_gate", "ffn_up_exps", "ffn_gate_up_exps", "ffn_up_shexp"}) {
    EXPECT_TRUE(plays_role("ffn_input", word)) << word;
    EXPECT_FALSE(plays_role("ffn_down_input", word)) << word;
  }
  EXPECT_FALSE(plays_role("ffn_input", "ffn_gate_inp"));
  EXPECT_TRUE(plays_role("attn_input", "attn_qkv"));
  EXPECT_FALSE(plays_role("attn_input", "attn_output"));
  EXPECT_FALSE(plays_role("logits", "output"));
}

TEST(GlobMatch, MatchesStarAndQuestionMark) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*b*c", "aXbYbZc"));
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_FALSE(glob_match("a*b", "abc"));
  EXPECT_FALSE(glob_match("", "a"));
}

}  // namespace
}  // namespace fakequant
