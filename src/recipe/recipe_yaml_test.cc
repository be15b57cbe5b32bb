#include "recipe/recipe_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(const std::string& text) {
  try {
    parse_recipe(text, "r.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(RecipeYaml, ReadsRules) {
  const auto recipe = parse_recipe(
      "rules:\n"
      "  - weights: ffn_norm\n"
      "    layers: 0-4,10\n"
      "    format: bf16\n"
      "    round: zero\n"
      "  - activations: 'ffn_*'\n"
      "    layers: 5\n"
      "    format: bf16\n"
      "  - activations: {input_of: ffn_up}\n"
      "    tokens: 0-3\n"
      "    format: mxfp8\n"
      "  - activations: {output_of: ffn_up}\n"
      "    every: 32\n"
      "    acc: e8m13\n"
      "    format: mantissa23\n",
      "r.yaml");
  EXPECT_EQ(to_string(recipe),
            "w:ffn_norm@0-4,10=bf16,round=zero a:ffn_*@5=bf16 a:in(ffn_up)@tokens:0-3=mxfp8 "
            "a:out(ffn_up)=mantissa23,acc=e8m13,every=32");
}

TEST(RecipeYaml, ReadsRulesInOneLine) {
  const auto recipe = parse_recipe(
      "except: w:output\n"
      "rules:\n"
      "  - w:matrices@0-4@except:ffn_down=int4,per=block,block=64\n"
      "  - weights: ffn_norm\n"
      "    format: bf16\n"
      "  - 'a:out(ffn_up)@1=mantissa23,acc=e8m13'\n",
      "r.yaml");
  EXPECT_EQ(to_string(recipe),
            "w:matrices@0-4@except:ffn_down@except:output=int4,per=block,block=64 w:ffn_norm@except:output=bf16 "
            "a:out(ffn_up)@1=mantissa23,acc=e8m13");
  EXPECT_THAT(refusal("rules: [w:a=bf16, w:b]\n"), StartsWith("r.yaml:1:19: rule 'w:b' names no format"));
  EXPECT_THAT(refusal("rules: ['w:a=bf17']\n"), StartsWith("r.yaml:1:9: unknown format"));
  EXPECT_THAT(refusal("rules: [[w:a=bf16]]\n"), StartsWith("r.yaml:1:9: a rule has keys"));
}

TEST(RecipeYaml, ReadsBackWhatItWrites) {
  const Recipe recipe = {parse_rule("w:*.ffn_norm.weight=bf16,round=zero"),
                         parse_rule("a:ffn_norm@first:2=bf16"),
                         parse_rule("w:*=bf16"),
                         parse_rule("a:in(blk.*.ffn_up.weight)@tokens:1-=int8,per=row"),
                         parse_rule("a:Qcur#0=bf16"),
                         parse_rule("w:matrices@except:*.ffn_down.weight@0-3@except:output=int4"),
                         parse_rule("a:in(*)@tokens:1-@except:in(output)=int8"),
                         parse_rule("a:out(ffn_up)@1=mantissa23,acc=e8m13,every=32"),
                         parse_rule("a:out(*)=bf16,round=zero"),
                         parse_rule("a:in(ffn_up)#1@0=bf16"),
                         parse_rule("a:logits=e4m3")};
  EXPECT_EQ(parse_recipe(to_yaml(recipe), "r.yaml"), recipe);
}

TEST(RecipeYaml, ReadsWhatARecipeSaysBesideItsRules) {
  const auto recipe = parse_recipe_file(
      "name: W4A16\nsource: a paper\nnotes: none\narithmetic: f32\ncache_type_k: q8_0\ncache_type_v: q4_0\n"
      "flash_attn: on\n",
      "r.yaml");
  EXPECT_EQ(recipe.settings, (RecipeSettings{"f32", "q8_0", "q4_0", "on", "W4A16", "a paper", "none"}));
  EXPECT_EQ(attention_text(recipe.settings), "cache_type_k=q8_0 cache_type_v=q4_0 flash_attn=on");
  EXPECT_TRUE(recipe.rules.empty());
  EXPECT_THAT(refusal("name: nothing to do\n"), HasSubstr("a recipe has the key rules:"));
  EXPECT_THAT(refusal("cache_type_k: [q8_0]\n"), HasSubstr("expected a single word"));
  EXPECT_THAT(refusal("cache_type_k: q8_0\nrules: []\n"), HasSubstr("rules: needs a list"));
}

TEST(RecipeYaml, TellsTheTokensOfTheCacheApart) {
  const auto recipe = parse_recipe(
      "rules:\n  - activations: k_cache\n    format: int2\n    mode: asym\n    per: channel\n    group: 64\n"
      "    keep: sink:4,recent:128\n",
      "r.yaml");
  EXPECT_EQ(to_string(recipe), "a:k_cache=int2,mode=asym,per=channel,group=64,keep=sink:4,recent:128");
  EXPECT_EQ(parse_recipe(to_yaml(recipe), "r.yaml"), recipe);
  EXPECT_THAT(refusal("rules:\n  - activations: k_cache\n    format: int2\n    keep: last:4\n"),
              StartsWith("r.yaml:4:5: bad keep=last:4"));
}

TEST(RecipeYaml, ReadsExceptionsOfARuleAndOfAllRules) {
  const auto recipe = parse_recipe(
      "except: [w:output, 'a:in(output)', 'w:ffn_down@0']\n"
      "rules:\n"
      "  - weights: matrices\n"
      "    except: w:ffn_down@0\n"
      "    format: int4\n"
      "  - activations: {input_of: '*'}\n"
      "    format: int8\n",
      "r.yaml");
  EXPECT_EQ(to_string(recipe), "w:matrices@except:ffn_down@0@except:output=int4 a:in(*)@except:in(output)=int8");
  EXPECT_EQ(parse_recipe(to_yaml(recipe), "r.yaml"), recipe);
}

TEST(RecipeYaml, LocatesErrorsInExceptions) {
  const std::string rule = "rules:\n  - weights: a\n    format: bf16\n";
  EXPECT_THAT(refusal(rule + "except: [w:x, x]\n"), StartsWith("r.yaml:4:15: site 'x' does not say"));
  EXPECT_THAT(refusal(rule + "except: a:x\n"), StartsWith("r.yaml:4:9: there is nothing from which to except a:x"));
  EXPECT_THAT(refusal(rule + "    except: a:x\n"), HasSubstr("a:x is no exception to w:a"));
  EXPECT_THAT(refusal(rule + "except: w:x\nexcept: w:x\n"), HasSubstr("key 'except' occurs twice"));
}

TEST(RecipeYaml, LocatesErrorsByLineAndColumn) {
  EXPECT_THAT(refusal("rules:\n  - weights: ffn_norm\n    format: bf17\n"), StartsWith("r.yaml:3:13: unknown format"));
  EXPECT_THAT(refusal("rules:\n  - weights: ffn_norm\n    layers: x\n    format: bf16\n"), StartsWith("r.yaml:3:13: "));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n    round: north\n    format: bf16\n"),
              StartsWith("r.yaml:3:5: unknown round=north"));
  EXPECT_THAT(refusal("rules:\n  - activations: a\n    tokens: x\n    format: bf16\n"), StartsWith("r.yaml:3:13: "));
  EXPECT_THAT(refusal("rules:\n  - activations: {result_of: a}\n    format: bf16\n"), StartsWith("r.yaml:2:18: "));
  EXPECT_THAT(refusal("rules:\n  - activations: {output_of: a}\n    format: bf16\n    acc: x\n"),
              StartsWith("r.yaml:4:5: unknown acc=x"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n    acc: e8m13\n    format: bf16\n"),
              StartsWith("r.yaml:3:5: acc= is for the results of matrix products"));
  EXPECT_THAT(refusal("rules:\n  - weights: {input_of: a}\n    format: bf16\n"), HasSubstr("single word"));
  EXPECT_THAT(refusal("rules:\n  - activations: a@3\n    format: bf16\n"), StartsWith("r.yaml:2:18: 'a@3' is more"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n    format: bf16\n---\nrules: []\n"), HasSubstr("second document"));
  EXPECT_THAT(refusal("rules:\n  - format: bf16\n"), HasSubstr("names no site"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n"), HasSubstr("names no format"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n    activations: b\n    format: bf16\n"), StartsWith("r.yaml:3:5: "));
  EXPECT_THAT(refusal("rules:\n  - weights: [a]\n    format: bf16\n"), HasSubstr("single word"));
  EXPECT_THAT(refusal("rule: 3\n"), HasSubstr("rules:"));
  EXPECT_THAT(refusal("rules: []\n"), HasSubstr("list of rules"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n   format: bf16\n"), StartsWith("r.yaml:3:"));
  EXPECT_THAT(refusal(""), HasSubstr("r.yaml: the recipe is empty"));
  EXPECT_THAT(refusal("rules:\n  - weights: a\n    fromat: bf16\n"), HasSubstr("unknown key 'fromat'"));
  EXPECT_THAT(refusal("rules:\n  - weight: a\n    format: bf16\n"), HasSubstr("unknown key 'weight'"));
}

}  // namespace
}  // namespace fakequant
