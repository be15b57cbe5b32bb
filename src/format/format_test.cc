#include "format/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_format(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Format, ReadsAndWritesItsText) {
  EXPECT_EQ(parse_format("bf16"), Format());
  EXPECT_EQ(parse_format("bf16,round=nearest"), parse_format("bf16"));
  EXPECT_EQ(parse_format("bf16,round=zero").rounding, Rounding::zero);
  for (const auto* text :
       {"bf16", "bf16,round=zero", "e4m3,round=stochastic,seed=18446744073709551615", "f16,overflow=saturate",
        "mantissa7", "e3m5", "int8", "int4,per=block,block=64,mode=asym,round=stochastic,seed=7",
        "int8,per=tensor,range=percentile:99.9", "int2,range=mse", "mxfp4,scale=ceil", "mxint8,round=away", "nvfp4",
        "nvfp4,range=static:r.json,round=zero", "int8,range=static:r.json",
        "int4,mode=asym,range='static:a,b.json',round=stochastic,seed=2", "q4_k", "ggml:mxfp4",
        "q2_k,imatrix='a,b.gguf'"}) {
    EXPECT_EQ(to_string(parse_format(text)), text);
  }
  EXPECT_EQ(to_string(parse_format("int4,per=block,block=32,mode=sym,range=absmax")), "int4,per=block");
  EXPECT_EQ(to_string(parse_format("nvfp4,range=absmax")), "nvfp4");
}

TEST(Format, SpansTheTensorUnderAStaticRange) {
  const auto format = parse_format("int8,range=static:r.json");
  EXPECT_EQ(format.range.kind, RangeRule::static_range);
  EXPECT_EQ(format.range.file, "r.json");
  EXPECT_EQ(format.per, Span::tensor);
  for (const auto* text : {"int8,per=tensor,range=static:r.json", "int8,range=static:r.json,per=tensor"}) {
    EXPECT_EQ(parse_format(text), format);
  }
  EXPECT_NE(parse_format("int8,range=static:other.json"), format);
}

TEST(Format, KnowsEveryNameItLists) {
  for (const auto& name : format_names()) {
    if (name == "eXmY" || name == "mantissaN" || name == "int2..int16") continue;
    EXPECT_EQ(parse_format(name).name, name);
  }
}

TEST(Format, PrefersItsOwnFormatsToGgmlsOfTheSameName) {
  EXPECT_EQ(parse_format("mxfp4").family, Family::mx);
  EXPECT_EQ(parse_format("ggml:mxfp4").family, Family::ggml);
  EXPECT_EQ(parse_format("ggml:q4_k").family, Family::ggml);
  EXPECT_EQ(ggml_type_of_format(parse_format("ggml:q4_k")).name, ggml_type_of_format(parse_format("q4_k")).name);
}

TEST(Format, RefusesWhatItDoesNotKnowAndSaysWhatItDoes) {
  EXPECT_THAT(refusal("bf17"), HasSubstr("the formats are f16 bf16"));
  EXPECT_THAT(refusal(""), HasSubstr("unknown format ''"));
  EXPECT_THAT(refusal("ggml:q9"), HasSubstr("unknown format"));
  EXPECT_THAT(refusal("ggml:f32"), HasSubstr("unknown format"));
  EXPECT_THAT(refusal("bf16,round=sideways"), HasSubstr("nearest, away, zero, up, down or stochastic"));
  EXPECT_THAT(refusal("bf16,size=3"), HasSubstr("no option 'size': it takes round=, seed=, overflow="));
  EXPECT_THAT(refusal("bf16,round=zero,round=zero"), HasSubstr("given twice"));
  EXPECT_THAT(refusal("bf16,zero"), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(refusal("bf16,"), HasSubstr("last comma"));
  EXPECT_THAT(refusal("bf16,,round=zero"), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(refusal("e1m2"), HasSubstr("2 to 8 exponent bits"));
  EXPECT_THAT(refusal("e4m11"), HasSubstr("1 to 10 mantissa bits"));
  EXPECT_THAT(refusal("mantissa24"), HasSubstr("0 to 23"));
  EXPECT_THAT(refusal("int1"), HasSubstr("2 to 16 bits"));
  EXPECT_THAT(refusal("int17"), HasSubstr("2 to 16 bits"));
  EXPECT_THAT(refusal("int8,per=block,block=0"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(refusal("int8,per=block,block=-4"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(refusal("int8,per=block,block=many"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(refusal("int8,block=32"), HasSubstr("add per=block"));
  EXPECT_THAT(refusal("int8,per=column"), HasSubstr("tensor, token, row or block"));
  EXPECT_THAT(refusal("int8,mode=odd"), HasSubstr("sym or asym"));
  EXPECT_THAT(refusal("int8,range=percentile:120"), HasSubstr("P above 0 and at most 100"));
  EXPECT_THAT(refusal("int8,range=percentile:0"), HasSubstr("P above 0 and at most 100"));
  EXPECT_THAT(refusal("int8,range=percentile:nan"), HasSubstr("P above 0 and at most 100"));
  EXPECT_THAT(refusal("int8,range=all"),
              HasSubstr("absmax, mse, percentile:P with P above 0 and at most 100, or static:"));
  EXPECT_THAT(refusal("int8,range=static:"), HasSubstr("write range=static:FILE"));
  EXPECT_THAT(refusal("int8,range=static:a'b"), HasSubstr("has a quote in it"));
  for (const auto* per : {"token", "row", "block"}) {
    EXPECT_THAT(refusal(std::string("int8,range=static:r.json,per=") + per), HasSubstr("one range for all values"));
  }
  EXPECT_THAT(refusal("nvfp4,range=mse"), HasSubstr("range=absmax or static:FILE"));
  EXPECT_THAT(refusal("nvfp4,range=percentile:99"), HasSubstr("range=absmax or static:FILE"));
  EXPECT_THAT(refusal("mxfp4,range=static:r.json"), HasSubstr("no option 'range'"));
  EXPECT_THAT(refusal("e4m3,mode=asym"), HasSubstr("format e4m3 has no option 'mode': it takes round=, seed="));
  EXPECT_THAT(refusal("e4m3,overflow=saturate"), HasSubstr("no option 'overflow'"));
  EXPECT_THAT(refusal("e5m2,overflow=wrap"), HasSubstr("infinity or saturate"));
  EXPECT_THAT(refusal("mxfp4,block=16"), HasSubstr("it takes scale=, round=, seed="));
  EXPECT_THAT(refusal("mxfp4,scale=up"), HasSubstr("floor, ceil or nearest"));
  EXPECT_THAT(refusal("q4_k,round=zero"), HasSubstr("it takes imatrix="));
  EXPECT_THAT(refusal("q4_k,imatrix="), HasSubstr("imatrix=FILE"));
  EXPECT_THAT(refusal("q4_k,imatrix='a,b"), HasSubstr("not closed by a quote"));
  EXPECT_THAT(refusal("bf16,seed=1"), HasSubstr("round=stochastic"));
  EXPECT_THAT(refusal("bf16,round=stochastic,seed=-1"), HasSubstr("0 to 2^64 - 1"));
}

}  // namespace
}  // namespace fakequant
