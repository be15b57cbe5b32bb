#include "recipe/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

TEST(Rule, ReadsItsParts) {
  const auto rule = parse_rule("w:ffn_norm@0-4,10=bf16,round=zero");
  EXPECT_EQ(rule.pattern.kind, SiteKind::weight);
  EXPECT_EQ(rule.pattern.selector, (Selector{Selector::name, "ffn_norm", {}}));
  EXPECT_EQ(rule.pattern.layers, parse_layers("0-4,10"));
  EXPECT_EQ(rule.format, parse_format("bf16,round=zero"));

  const auto glob = parse_rule("a:*norm*=bf16");
  EXPECT_EQ(glob.pattern.kind, SiteKind::activation);
  EXPECT_EQ(glob.pattern.selector.text, "*norm*");
  EXPECT_TRUE(glob.pattern.layers.is_all());
}

TEST(Rule, TakesLayersAndTokensInEitherOrder) {
  EXPECT_EQ(parse_rule("a:x@2@tokens:0-3=bf16"), parse_rule("a:x@tokens:0-3@2=bf16"));
  EXPECT_TRUE(parse_rule("a:x@tokens:0-3=bf16").pattern.tokens.contains(3));
  EXPECT_EQ(parse_rule("a:x@tokens:all=bf16"), parse_rule("a:x=bf16"));
}

TEST(Rule, ReadsAndWritesItsText) {
  for (const auto* text :
       {"w:ffn_norm=bf16", "w:blk.*.ffn_*.weight=bf16,round=zero", "a:ffn_norm@last:5=bf16",
        "a:in(ffn_up)@0-3@tokens:1-=int8,per=row", "a:Qcur#0@2=bf16", "a:logits@tokens:0,4-7=e4m3",
        "a:out(ffn_up)=bf16", "a:out(matrices)@1-2=mantissa23,acc=e8m13,every=32", "a:out(*)=int8,per=row,acc=e5m10",
        "a:out(*)@except:out(output)=int8,range='static:a,acc=b.json',acc=e5m10",
        "a:k_cache=nvfp4,keep=sink:4,recent:128", "a:k_cache@2=int2,mode=asym,per=channel,group=32,keep=recent:128",
        "a:v_cache=int2,per=block,keep=sink:4"}) {
    EXPECT_EQ(to_string(parse_rule(text)), text);
  }
}

TEST(Rule, RefusesAnInvalidText) {
  for (const auto* text :
       {"", "ffn_norm", "ffn_norm=bf16", "x:ffn_norm=bf16", "w:=bf16", "w:@3=bf16", "w:ffn_norm@=bf16",
        "w:ffn_norm=", "w:ffn_norm@1", "a:in(=bf16", "a:in()=bf16", "a:Qcur#=bf16", "a:#0=bf16", "w:in(ffn_up)=bf16",
        "a:x@1@2=bf16", "a:x@tokens:=bf16", "a:x@tokens:0@tokens:1=bf16", "w:ffn_norm@tokens:0=bf16"}) {
    try {
      parse_rule(text);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::usage) << text;
    }
  }
}

std::string refusal(const std::string& rule) {
  try {
    parse_rule(rule);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Rule, HasAStaticRangeForActivationsOnly) {
  for (const auto* text : {"a:in(ffn_up)=int8,range=static:ranges.json", "a:ffn_norm@0=nvfp4,range='static:a,b.json'",
                           "a:*=int4,mode=asym,range=static:/tmp/r=1@2.json"}) {
    EXPECT_EQ(to_string(parse_rule(text)), text);
  }
  EXPECT_EQ(refusal("a:ffn_norm=int8,per=tensor,range=static:r.json"), "accepted");
  EXPECT_THAT(refusal("w:ffn_up=int8,range=static:r.json"), testing::HasSubstr("range is always known"));
  EXPECT_THAT(refusal("w:ffn_up=nvfp4,range=static:r.json"), testing::HasSubstr("range is always known"));
  EXPECT_THAT(refusal("a:ffn_norm=int8,per=tensor"), testing::HasSubstr("or give range=static:FILE"));
}

TEST(Rule, HasAnAccumulatorForTheResultsOfProducts) {
  const auto rule = parse_rule("a:out(ffn_up)=bf16,every=32,round=zero,acc=e8m13");
  EXPECT_EQ(rule.format, parse_format("bf16,round=zero"));
  EXPECT_EQ(rule.accumulator, Accumulator(FloatAccumulator{8, 13, 32}));
  EXPECT_EQ(format_text(rule), "bf16,round=zero,acc=e8m13,every=32");
  EXPECT_NE(rule, parse_rule("a:out(ffn_up)=bf16,round=zero"));
  const auto integers = parse_rule("a:out(ffn_up)=mantissa23,acc=int16:wrap,every=64");
  EXPECT_EQ(integers.accumulator, Accumulator(IntegerAccumulator{16, true, 64}));
  EXPECT_EQ(format_text(integers), "mantissa23,acc=int16:wrap,every=64");
  EXPECT_EQ(format_text(parse_rule("a:out(ffn_up)=mantissa23,acc=int32")), "mantissa23,acc=int32");
  for (const auto* wrong : {"int7", "int33", "int", "int16:", "int16:clamp", "uint16", "int16:wrap:wrap"}) {
    EXPECT_THAT(refusal(std::string("a:out(ffn_up)=bf16,acc=") + wrong), testing::HasSubstr("unknown acc=")) << wrong;
  }
  EXPECT_EQ(parse_rule("a:out(ffn_up)=bf16,acc=f32"), parse_rule("a:out(ffn_up)=bf16"));
  EXPECT_THAT(refusal("w:ffn_up=bf16,acc=e8m13"), testing::HasSubstr("a weight is no sum"));
  EXPECT_THAT(refusal("w:ffn_up=bf16,acc=f32"), testing::HasSubstr("a weight is no sum"));
  for (const auto* site : {"ffn_up", "in(ffn_up)", "ffn_input", "logits", "*"}) {
    EXPECT_THAT(refusal(std::string("a:") + site + "=bf16,acc=e8m13"), testing::HasSubstr("write a:out(WEIGHT)"));
  }
  EXPECT_THAT(refusal("a:out(ffn_up)@tokens:1-=bf16,acc=e8m13"), testing::HasSubstr("leave out @tokens:"));
  EXPECT_THAT(refusal("a:out(ffn_up)=acc=e8m13"), testing::HasSubstr("write mantissa23,acc=e8m13"));
  EXPECT_THAT(refusal("a:out(ffn_up)=bf16,acc=e8m13,"), testing::HasSubstr("last comma"));
  EXPECT_THAT(refusal("a:out(ffn_up)=bf16,acc=x"), testing::HasSubstr("unknown acc=x"));
}

TEST(Recipe, IsSplitByKindInItsOrder) {
  const Recipe recipe = {parse_rule("w:a=bf16"), parse_rule("a:b=bf16"), parse_rule("w:c=bf16")};
  EXPECT_EQ(to_string(rules_of_kind(recipe, SiteKind::weight)), "w:a=bf16 w:c=bf16");
  EXPECT_EQ(to_string(rules_of_kind(recipe, SiteKind::activation)), "a:b=bf16");
}

TEST(Rule, HasAScaleForEachHeadOfTheCache) {
  EXPECT_EQ(parse_rule("a:v_cache=int8,per=head,keep=sink:4"), parse_rule("a:v_cache=int8,per=row,keep=sink:4"));
  EXPECT_EQ(to_string(parse_rule("a:k_cache@2=int8,per=head")), "a:k_cache@2=int8,per=row");
  EXPECT_THAT(refusal("a:Kcur=int8,per=head"), testing::HasSubstr("whose rows are heads: write per=row"));
}

TEST(Rule, TellsTheTokensOfTheCacheApart) {
  const auto rule = parse_rule("a:k_cache=int2,group=64,keep=sink:4,recent:128,per=channel,mode=asym");
  EXPECT_EQ(rule.format, parse_format("int2,mode=asym"));
  EXPECT_EQ(rule.cache_tokens, (CacheTokens{4, 128, 64}));
  EXPECT_EQ(parse_rule("a:k_cache=int2,keep='sink:4,recent:8'"), parse_rule("a:k_cache=int2,keep=recent:8,sink:4"));
  EXPECT_EQ(parse_rule("a:k_cache=int2,keep=sink:0,recent:0"), parse_rule("a:k_cache=int2"));
  for (const auto* site : {"a:Kcur", "a:q", "a:in(ffn_up)", "w:ffn_up"}) {
    EXPECT_THAT(refusal(std::string(site) + "=int4,keep=recent:8"), testing::HasSubstr("a:k_cache and a:v_cache"));
    EXPECT_THAT(refusal(std::string(site) + "=int4,per=channel"), testing::HasSubstr("per=channel is for what"));
  }
  EXPECT_THAT(refusal("a:k_cache@tokens:4-=int4,keep=recent:8"), testing::HasSubstr("leave out @tokens:"));
  for (const auto* format : {"bf16", "e4m3", "nf4", "mxint8", "int4,per=row", "int4,range=6.5", "int4,rotate=hadamard",
                             "int4,round=stochastic"}) {
    EXPECT_THAT(refusal(std::string("a:k_cache=") + format + ",per=channel"), testing::HasSubstr("is for integers"))
        << format;
  }
  EXPECT_THAT(refusal("a:k_cache=keep=sink:4"), testing::HasSubstr("follows a format"));
  EXPECT_THAT(refusal("a:k_cache=int4,keep=sink:4,round=up,recent:3"), testing::HasSubstr("is no option"));
}

}  // namespace
}  // namespace fakequant
