#include "recipe/site_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

std::string pattern_refusal(const std::string& text) {
  try {
    parse_site_pattern(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(SitePattern, ReadsItsParts) {
  const auto pattern = parse_site_pattern("a:in(ffn_up)@last:2@tokens:1-");
  EXPECT_EQ(pattern.kind, SiteKind::activation);
  EXPECT_EQ(pattern.selector, (Selector{Selector::input_of, "ffn_up", {}}));
  EXPECT_EQ(pattern.layers, parse_layers("last:2"));
  EXPECT_EQ(pattern.tokens, parse_tokens("1-"));
}

TEST(SitePattern, PrintsWhatItParses) {
  const std::vector<std::string> layers = {"", "@0", "@3", "@0-4,10", "@first:5", "@last:1", "@2,0-1,2"};
  const std::vector<std::string> tokens = {"", "@tokens:0", "@tokens:0-3", "@tokens:1-", "@tokens:0,4-7,9-"};
  const std::vector<std::string> exceptions = {"", "@except:ffn_up", "@except:*.ffn_up.weight@0-3@except:output"};
  const std::vector<std::string> weights = {"matrices", "ffn_norm", "blk.*.ffn_*.weight", "*", "a:b", "tokens:0",
                                            "x#1",      "logits"};
  const std::vector<std::string> activations = {"ffn_norm",  "*norm*",         "Qcur#0",    "Q*#0",
                                                "ffn_input", "in(ffn_up)",     "in(*)",     "logits",
                                                "a b (c)",   "in(blk.0.a.b*)", "ffn_norm-3"};
  for (const auto& layer : layers) {
    for (const auto& selector : weights) {
      for (const auto& exception : exceptions) {
        const auto text = "w:" + selector + layer + exception;
        EXPECT_EQ(to_string(parse_site_pattern(text)), text);
      }
    }
    for (const auto& selector : activations) {
      for (const auto& token : tokens) {
        const auto text = "a:" + selector + layer + token;
        EXPECT_EQ(to_string(parse_site_pattern(text)), text);
      }
    }
  }
}

// If a text is accepted, its printed pattern parses to the same pattern.
TEST(SitePattern, ReadsBackWhatItPrintsOfRandomTexts) {
  const std::vector<std::string> pieces = {"w",        "a",      ":",   "@",      "#",        "0",       "12",
                                           "-",        ",",      "all", "*",      ".",        "in(",     ")",
                                           "ffn_up",   "logits", " ",   "first:", "last:",    "tokens:", "007",
                                           "@tokens:", "a:",     "w:",  "?",      "@except:", "matrices"};
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = random() % 2 == 0 ? "a:" : "w:";
    for (auto length = 1 + random() % 7; length > 0; --length) text += pieces[random() % pieces.size()];
    SitePattern pattern;
    try {
      pattern = parse_site_pattern(text);
    } catch (const Error& error) {
      ASSERT_EQ(error.failure(), Failure::usage) << text;
      continue;
    }
    ++accepted;
    ASSERT_EQ(parse_site_pattern(to_string(pattern)), pattern) << text;
  }
  EXPECT_GT(accepted, 10'000);
}

TEST(SitePattern, RefusesAnInvalidText) {
  for (const auto* text :
       {"", "ffn_norm", "x:ffn_norm", "w:", "w:@3", "w:ffn_norm@", "a:in(", "a:in()", "a:Qcur#", "a:#0", "w:in(ffn_up)",
        "a:x@1@2", "a:x@tokens:", "a:x@tokens:0@tokens:1", "w:ffn_norm@tokens:0",
        "w:x@except:", "a:x@except:y@tokens:0", "w:x@except:y@0@1", "w:x@except:in(y)"}) {
    EXPECT_NE(pattern_refusal(text), "accepted") << text;
  }
  EXPECT_THAT(pattern_refusal("a:ffn_norm=bf16"), HasSubstr("is a whole rule"));
  EXPECT_THAT(pattern_refusal("b:x"), HasSubstr("neither w: (weights) nor a: (activations)"));
  EXPECT_THAT(pattern_refusal("a:x@1@2"), HasSubstr("has layers twice"));
}

TEST(SitePattern, ChangesItsLayersOnly) {
  const auto pattern = parse_site_pattern("a:x@0-3@tokens:1-");
  EXPECT_EQ(to_string(in_layer(pattern, 2)), "a:x@2@tokens:1-");
  EXPECT_EQ(to_string(in_all_layers(pattern)), "a:x@tokens:1-");
}

TEST(SitePattern, HasExceptionsWithLayersOfTheirOwn) {
  const auto pattern = parse_site_pattern("w:matrices@0-3@except:ffn_down@1@except:attn_q");
  EXPECT_EQ(pattern.layers, parse_layers("0-3"));
  ASSERT_EQ(pattern.except.size(), 2U);
  EXPECT_EQ(to_string(pattern.except[0]), "w:ffn_down@1");
  EXPECT_EQ(to_string(pattern.except[1]), "w:attn_q");
  const auto down = [](int layer) {
    Site site{"blk." + std::to_string(layer) + ".ffn_down.weight", layer};
    site.shape = {64, 32};
    return site;
  };
  EXPECT_TRUE(selects(pattern, down(0), 4));
  EXPECT_FALSE(selects(pattern, down(1), 4));
  auto of_another_kind = pattern;
  of_another_kind.except[0].kind = SiteKind::activation;
  EXPECT_THROW(check_site_pattern(of_another_kind), Error);
  auto nested = pattern;
  nested.except[0].except = {nested.except[1]};
  EXPECT_THROW(check_site_pattern(nested), Error);
}

TEST(SitePattern, SelectsInputsByWeight) {
  const WeightName up{"blk.1.ffn_up.weight", 1};
  EXPECT_TRUE(selects_input_of(parse_site_pattern("a:in(ffn_up)@1"), up, 2));
  EXPECT_TRUE(selects_input_of(parse_site_pattern("a:ffn_input"), up, 2));
  EXPECT_FALSE(selects_input_of(parse_site_pattern("a:in(ffn_up)@0"), up, 2));
  EXPECT_FALSE(selects_input_of(parse_site_pattern("a:ffn_norm"), up, 2));
  EXPECT_TRUE(selects_input_of(parse_site_pattern("a:in(matrices)"), up, 2));
  EXPECT_FALSE(selects_input_of(parse_site_pattern("a:in(matrices)"), {"token_embd.weight", {}}, 2));
  EXPECT_TRUE(selects_input_of(parse_site_pattern("a:in(output)"), {"output.weight", {}}, 2));
  EXPECT_FALSE(selects_input_of(parse_site_pattern("a:in(*)@0-1"), {"output.weight", {}}, 2));
}

}  // namespace
}  // namespace fakequant
