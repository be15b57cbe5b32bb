#include "format/format.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "error.h"
#include "format/format_names.h"
#include "format/format_options.h"
#include "format/format_properties.h"

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
  for (const auto* text : {"bf16",
                           "bf16,round=zero",
                           "e4m3,round=stochastic,seed=18446744073709551615",
                           "f16,overflow=saturate",
                           "mantissa7",
                           "e3m5",
                           "int8",
                           "int4,per=block,block=64,mode=asym,round=stochastic,seed=7",
                           "int8,per=tensor,range=percentile:99.9",
                           "int2,range=mse",
                           "mxfp4,scale=ceil",
                           "mxint8,round=away",
                           "nvfp4",
                           "nvfp4,range=static:r.json,round=zero",
                           "int8,range=static:r.json",
                           "int4,mode=asym,range='static:a,b.json',round=stochastic,seed=2",
                           "e4m3,per=token",
                           "e4m3,per=tensor,scale=bf16",
                           "e4m3,per=block,block=128",
                           "e5m2,per=row,scale=e8m0:rceil,round=away",
                           "e3m4,per=block,block=8,scale=ue5m3",
                           "mxfp4,scale=rceil",
                           "mxfp8,scale=even",
                           "e2m1,per=block,block=16,scale=e8m0:even",
                           "e2m1,per=block,scale=f16",
                           "e2m1,per=block,scale=ue5m3,outer=f32",
                           "e2m1,per=block,block=16,scale=e4m3",
                           "e4m3,range=static:r.json",
                           "e4m3,per=row,range=percentile:99.5",
                           "int8,per=block,block=16,scale=e8m0",
                           "mxint8,block=16,scale=ceil",
                           "mx6",
                           "mx9,scale=rceil,round=away",
                           "mx4,rotate=hadamard:16",
                           "int5,per=block,scale=e8m0,subblock=2",
                           "int6,per=block,block=16,scale=e8m0,subblock=4",
                           "mxfp4,subblock=8",
                           "e4m3,per=tensor,arithmetic=reciprocal",
                           "nvfp4,arithmetic=reciprocal",
                           "nvfp4,least=subnormal",
                           "e2m1,per=block,block=16,scale=e4m3,least=normal",
                           "int4,per=block,mode=asym,scale=f16,least=normal",
                           "e4m3,per=tensor,arithmetic=factor,margin=2",
                           "e4m3,range=static:r.json,margin=1",
                           "nvfp4,fit=four-over-six",
                           "nvfp4,fit=gptq,hessian=h.bin",
                           "bf16,fit=gptq,hessian=h.bin",
                           "int4,per=block,block=128,fit=gptq,hessian=h.bin,order=activation,damping=0.1",
                           "nf4,fit=gptq,hessian='a,b.bin'",
                           "nvfp4,range=6.5",
                           "e4m3,range=6.5",
                           "int8,range=0.1",
                           "int8,codes=full",
                           "int4,per=block,block=128,mode=asym,scale=f16",
                           "int8,codes=full-positive,scale=bf16",
                           "nf4",
                           "nf4,per=row,scale=f16",
                           "nf4,block=128,scale=e8m0:ceil",
                           "nf4,tile=4x64",
                           "e4m3,per=row,range=mse",
                           "nf4,range=mse",
                           "nf4,range=6.5",
                           "e4m3,tile=128x128",
                           "int8,tile=64x32,mode=asym,scale=f16",
                           "nvfp4,rotate=hadamard",
                           "int4,per=block,rotate=hadamard:64,round=zero",
                           "bf16,rotate=random:0",
                           "e4m3,per=token,rotate=random:18446744073709551615:128",
                           "int8,per=token,smooth=c.gguf:0.5",
                           "int8,range=static,smooth='a,b:c.gguf:0.85'",
                           "nvfp4,range=static,smooth=c.gguf:1",
                           "int4,per=block,rotate=hadamard:16,awq=h.bin",
                           "int4,per=block,range=output,hessian=h.bin,awq=h.bin",
                           "nvfp4,fit=gptq,hessian=h.bin,rotate=hadamard:16"}) {
    EXPECT_EQ(to_string(parse_format(text)), text);
  }
  EXPECT_EQ(to_string(parse_format("int4,per=block,block=32,mode=sym,range=absmax")), "int4,per=block");
  EXPECT_EQ(to_string(parse_format("nvfp4,range=absmax")), "nvfp4");
}

// Names are short for parts, and the shortest is what is printed.
TEST(Format, IsTheSameByItsNameAndByItsParts) {
  const auto expect_same = [](const char* parts, const char* name) {
    EXPECT_EQ(parse_format(parts), parse_format(name)) << parts;
    EXPECT_EQ(to_string(parse_format(parts)), name);
  };
  expect_same("e2m1,per=block,block=16,scale=e4m3,outer=f32", "nvfp4");
  expect_same("e2m1,outer=f32,scale=e4m3,block=16,per=block", "nvfp4");
  expect_same("e2m1,per=block,block=32,scale=e8m0:floor", "mxfp4");
  expect_same("e2m1,per=block,scale=e8m0:rceil", "mxfp4,scale=rceil");
  expect_same("mxfp4,scale=e8m0:rceil", "mxfp4,scale=rceil");
  expect_same("e4m3,per=block,scale=e8m0", "mxfp8");
  expect_same("e5m2,per=block,scale=e8m0", "mxfp8e5m2");
  expect_same("e3m2,per=block,scale=e8m0", "mxfp6");
  expect_same("e2m3,per=block,scale=e8m0:ceil,round=zero", "mxfp6e2m3,scale=ceil,round=zero");
  expect_same("mxfp4,block=16", "e2m1,per=block,block=16,scale=e8m0");
  expect_same("nvfp4,outer=none", "e2m1,per=block,block=16,scale=e4m3");
  expect_same("nvfp4,block=32,range=static:r", "e2m1,per=block,range=static:r,scale=e4m3,outer=f32");
  expect_same("mxfp4,scale=e4m3,block=16,outer=f32", "nvfp4");
  expect_same("nvfp4,outer=static:r.json", "nvfp4,range=static:r.json");
  expect_same("e2m1,per=block,scale=ue5m3,outer=static:r", "e2m1,per=block,range=static:r,scale=ue5m3,outer=f32");
  expect_same("int8,per=row,scale=f32", "int8,per=row");
  expect_same("e4m3,per=row,scale=f32", "e4m3,per=row");
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
    if (name == "eXmY" || name == "mantissaN" || name == "int2..int16" || name == "lookup:FILE") continue;
    EXPECT_EQ(parse_format(name).name, name);
  }
}

// Values to try for each option. An option that is not listed here fails the test.
const std::map<std::string, std::vector<std::string>> kTriedValues = {
    {"per", {"tensor", "token", "row", "block"}},
    {"block", {"1", "32", "48", "64"}},
    {"subblock", {"none", "none", "none", "2", "8"}},
    {"tile", {"1x1", "128x128", "3x4096"}},
    {"mode", {"sym", "asym"}},
    {"codes", {"narrow", "full", "full-positive"}},
    {"range",
     {"absmax", "mse", "percentile:99.9", "percentile:100", "static:r.json", "static:a,b.json", "static", "6.5",
      "1e-30"}},
    {"scale",
     {"floor", "ceil", "nearest", "rceil", "even", "f32", "f16", "bf16", "e8m0", "e8m0:rceil", "e4m3", "ue5m3", "ue4m1",
      "e8m3"}},
    {"least", {"zero", "subnormal", "normal"}},
    {"outer", {"none", "f32", "static:o.json"}},
    {"fit", {"absmax", "four-over-six", "gptq"}},
    {"hessian", {"h.bin", "a,b.bin"}},
    {"order", {"natural", "activation"}},
    {"damping", {"0.01", "0.1", "1"}},
    {"arithmetic", {"division", "reciprocal", "factor"}},
    {"margin", {"0", "1", "64"}},
    {"rotate", {"none", "hadamard", "hadamard:2", "hadamard:128", "random:0", "random:7:64"}},
    {"smooth", {"c.gguf:0.5", "a,b:c.gguf:0", "c:1"}},
    {"awq", {"h.bin", "a,b.bin"}},
    {"overflow", {"infinity", "saturate"}},
    {"round", {"nearest", "away", "zero", "up", "down", "stochastic"}},
    {"seed", {"0", "7", "18446744073709551615"}}};

// A choice of values for the keys of a format, each of which may be left out, in any order.
std::vector<FormatOption> some_options(std::vector<std::string> keys, std::mt19937& random) {
  std::shuffle(keys.begin(), keys.end(), random);
  std::vector<FormatOption> options;
  for (const auto& key : keys) {
    const auto& values = kTriedValues.at(key);
    if (random() % 3 == 0) options.push_back({key, values[random() % values.size()]});
  }
  // What else fit=gptq needs, and what goes with it alone.
  const auto is_fit = [](const FormatOption& option) { return option.key == "fit" && option.value == "gptq"; };
  const bool is_gptq = std::any_of(options.begin(), options.end(), is_fit);
  const bool is_smoothed = !is_gptq && std::any_of(options.begin(), options.end(),
                                                   [](const FormatOption& option) { return option.key == "smooth"; });
  std::erase_if(options, [&](const FormatOption& option) {
    return option.key == "hessian" || (!is_gptq && (option.key == "order" || option.key == "damping")) ||
           (is_gptq && option.key == "smooth") || ((is_gptq || is_smoothed) && option.key == "awq") ||
           (!is_smoothed && option.value == "static");
  });
  if (is_gptq) options.push_back({"hessian", random() % 2 == 0 ? "h.bin" : "a,b.bin"});
  return options;
}

TEST(Format, PrintsWhatItParsesToTheSameFormatWhateverTheOptions) {
  std::mt19937 random(1);
  int formats = 0;
  for (const auto& name : example_names()) {
    const auto keys = option_keys(parse_format(name));
    for (int i = 0; i < 4000; ++i) {
      const auto options = some_options(keys, random);
      std::optional<Format> format;
      try {
        format = make_format(name, options);
      } catch (const Error& error) {
        ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        continue;  // options that do not go together
      }
      ++formats;
      const auto printed = to_string(*format);
      ASSERT_EQ(parse_format(printed), *format) << printed;
      ASSERT_EQ(make_format(format->name, options_of(*format)), *format) << to_string(*format);
    }
  }
  EXPECT_GT(formats, 20000);
}

// Mutated texts are the same format after printing and parsing, or are refused in one line.
TEST(Format, TakesAMutatedTextOrRefusesItInOneLine) {
  const std::string pieces[] = {",",        "=",           ":",     "'",     "per=", "block=", "scale=", "outer=",
                                "range=",   "e8m0",        "e4m3",  "ue5m3", "f32",  "block",  "row",    "tensor",
                                "static:a", "percentile:", "int",   "e",     "m",    "9",      "0",      "-",
                                "1e3",      ",,",          "nan",   "rceil", "\xff", " ",      "round=", "stochastic",
                                "seed=",    "mode=asym",   "nvfp4", "mxfp4"};
  std::mt19937 random(2);
  int accepted = 0;
  for (int i = 0; i < 150000; ++i) {
    const auto names =
        std::vector<std::string>{"e4m3", "int4", "nvfp4", "mxfp8", "mxint8", "e2m1", "bf16", "e3m4", "mx6"};
    auto text = names[random() % names.size()];
    for (const auto& option : some_options(option_keys(parse_format(text)), random)) {
      const auto* quote = option.value.find(',') == std::string::npos ? "" : "'";
      text += fmt::format(",{0}={1}{2}{1}", option.key, quote, option.value);
    }
    for (auto changes = random() % 4; changes > 0; --changes) {
      const auto at = random() % (text.size() + 1);
      if (random() % 2 == 0) {
        text.insert(at, pieces[random() % std::size(pieces)]);
      } else {
        text.erase(at, random() % 4);
      }
    }
    try {
      const auto format = parse_format(text);
      ++accepted;
      ASSERT_EQ(parse_format(to_string(format)), format) << text << " is printed as " << to_string(format);
    } catch (const Error& error) {
      ASSERT_EQ(error.failure(), Failure::usage) << text;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(accepted, 10000);
}

// Of every part there is a format that has it.
TEST(Format, OffersEveryWordOfItsParts) {
  for (const auto& [word, rounding] : kRoundingWords) {
    EXPECT_EQ(parse_format(fmt::format("bf16,round={}", word)).rounding, rounding);
    EXPECT_THAT(kTriedValues.at("round"), testing::Contains(word));
  }
  for (const auto& [word, rule] : kScaleRuleWords) {
    EXPECT_EQ(parse_format(fmt::format("mxfp4,scale={}", word)).scale.rule, rule);
    EXPECT_THAT(kTriedValues.at("scale"), testing::Contains(word));
  }
  for (const auto& [word, least] : kLeastScaleWords) {
    EXPECT_EQ(parse_format(fmt::format("nvfp4,least={}", word)).scale.least, least);
    EXPECT_THAT(kTriedValues.at("least"), testing::Contains(word));
  }
}

TEST(Format, IsWhatItsPartsSay) {
  const auto nvfp4 = parse_format("nvfp4");
  EXPECT_EQ(nvfp4.element.name, "e2m1");
  EXPECT_EQ(nvfp4.scale.type, ScaleType::small_float);
  EXPECT_EQ(nvfp4.scale.number, *element_of("e4m3"));
  EXPECT_EQ(nvfp4.per, Span::block);
  EXPECT_EQ(nvfp4.block, 16);
  EXPECT_EQ(nvfp4.outer_scale, ScaleType::f32);
  const auto mxfp4 = parse_format("mxfp4");
  EXPECT_EQ(mxfp4.element, nvfp4.element);
  EXPECT_EQ(mxfp4.scale.type, ScaleType::e8m0);
  EXPECT_EQ(mxfp4.block, 32);
  EXPECT_EQ(mxfp4.outer_scale, ScaleType::none);
  EXPECT_EQ(parse_format("int5,per=block,block=16,scale=e8m0,subblock=2"), parse_format("mx6"));
  EXPECT_EQ(parse_format("mx6,subblock=none"), parse_format("int5,per=block,block=16,scale=e8m0"));
  EXPECT_EQ(parse_format("int8").scale.type, ScaleType::f32);
  EXPECT_EQ(parse_format("int8").element.largest, 127);
  EXPECT_EQ(parse_format("int8").element.bits(), 8);
  EXPECT_EQ(parse_format("e4m3").scale.type, ScaleType::none);
}

struct Properties {
  const char* format;
  bool independent, whole_rows, token_layout, across_rows, across_tensor;
};

TEST(Format, AnswersWhatItsValuesShare) {
  for (const auto& [text, independent, whole_rows, token_layout, across_rows, across_tensor] : {
           Properties{"bf16", true, false, false, false, false},
           {"e4m3,round=stochastic", false, false, true, false, false},
           {"mxfp4", false, true, false, false, false},
           {"nvfp4", false, true, true, true, true},
           {"nvfp4,range=static:r.json", false, true, false, true, true},
           {"int8", false, true, true, true, false},
           {"int8,per=row", false, true, false, false, false},
           {"int8,per=block", false, true, false, false, false},
           {"int8,per=tensor", false, true, true, true, true},
           {"int8,range=static:r.json", true, true, false, true, true},
           {"int8,range=static:r.json,round=stochastic", false, true, true, true, true},
           {"e4m3,per=token", false, true, true, true, false},
           {"e4m3,per=row", false, true, false, false, false},
           {"e4m3,per=block,scale=f16", false, true, false, false, false},
           {"e4m3,range=static:r.json", true, true, false, true, true},
           {"e2m1,per=block,scale=e4m3", false, true, false, false, false},
           {"nf4", false, true, false, false, false},
           {"bf16,rotate=hadamard", false, true, false, false, false},
           {"nvfp4,rotate=random:1", false, true, true, true, true},
           {"int8,range=6.5,rotate=hadamard", false, true, false, true, true},
           {"bf16,smooth=c.gguf:0.5", false, true, false, false, false},
           {"int8,range=static,smooth=c.gguf:0.5", false, true, false, true, true},
           {"bf16,awq=h.bin", false, true, false, false, false},
       }) {
    const auto format = for_activation(parse_format(text));
    EXPECT_EQ(rounds_values_independently(format), independent) << text;
    EXPECT_EQ(needs_whole_rows(format), whole_rows) << text;
    EXPECT_EQ(needs_token_layout(format), token_layout) << text;
    EXPECT_EQ(shares_scale_across_rows(format), across_rows) << text;
    EXPECT_EQ(shares_scale_across_tensor(format), across_tensor) << text;
  }
  EXPECT_EQ(span_of_scale(parse_format("int8"), ScaledAs::weight), Span::row);
  EXPECT_EQ(span_of_scale(parse_format("int8"), ScaledAs::activation), Span::token);
  EXPECT_EQ(span_of_scale(parse_format("int8,per=row"), ScaledAs::activation), Span::row);
}

TEST(Format, RefusesWhatItDoesNotKnowAndSaysWhatItDoes) {
  EXPECT_THAT(refusal("bf17"), HasSubstr("the formats are f16 bf16"));
  EXPECT_THAT(refusal(""), HasSubstr("unknown format ''"));
  // This program does not link ggml.
  EXPECT_THAT(refusal("q4_k"), HasSubstr("unknown format"));
  EXPECT_THAT(refusal("ggml:mxfp4"), HasSubstr("unknown format"));
  EXPECT_THAT(refusal("bf16,round=sideways"), HasSubstr("nearest, away, zero, up, down or stochastic"));
  EXPECT_THAT(refusal("bf16,size=3"), HasSubstr("no option 'size': it takes fit=, hessian=, order=, damping=, rotate=, "
                                                "smooth=, awq=, overflow=, round=, seed="));
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
  EXPECT_THAT(
      refusal("int8,range=all"),
      HasSubstr("absmax, mse, output with hessian=, percentile:P with P above 0 and at most 100, static:FILE, static "
                "with"));
  EXPECT_THAT(refusal("int8,range=static:"), HasSubstr("write range=static:FILE"));
  EXPECT_THAT(refusal("int8,range=static:a'b"), HasSubstr("has a quote in it"));
  for (const auto* per : {"token", "row", "block"}) {
    EXPECT_THAT(refusal(std::string("int8,range=static:r.json,per=") + per), HasSubstr("one range for all values"));
  }
  EXPECT_THAT(refusal("nvfp4,range=mse"), HasSubstr("range=absmax, static:FILE or a number"));
  EXPECT_THAT(refusal("nvfp4,range=percentile:99"), HasSubstr("range=absmax, static:FILE or a number"));
  EXPECT_THAT(refusal("mxfp4,range=static:r.json"), HasSubstr("no option 'range'"));
  EXPECT_THAT(refusal("e4m3,mode=asym"),
              HasSubstr("format e4m3 has no option 'mode': it takes per=, tile=, block=, range=, "
                        "scale=, least=, subblock=, outer=, fit=, hessian=, order=, damping=, arithmetic=, margin=, "
                        "rotate=, smooth=, awq=, "
                        "round=, seed="));
  EXPECT_THAT(refusal("e4m3,overflow=saturate"), HasSubstr("no option 'overflow'"));
  EXPECT_THAT(refusal("e5m2,overflow=wrap"), HasSubstr("infinity or saturate"));
  EXPECT_THAT(refusal("mxfp4,per=row"),
              HasSubstr("it takes block=, scale=, least=, subblock=, outer=, fit=, hessian=, order=, "
                        "damping=, arithmetic=, margin=, rotate=, smooth=, awq=, round=, "
                        "seed="));
  EXPECT_THAT(refusal("mxfp4,scale=up"), HasSubstr("e8m0[:RULE] with floor, ceil, nearest, rceil or even"));
  EXPECT_THAT(refusal("e4m3,scale=e8m0"), HasSubstr("scale= is for values that share a scale: add per="));
  EXPECT_THAT(refusal("e4m3,block=16"), HasSubstr("block= is for values that share a scale: add per="));
  EXPECT_THAT(refusal("e4m3,range=percentile:99"), HasSubstr("range= is for values that share a scale: add per="));
  EXPECT_THAT(refusal("e4m3,per=row,block=16"), HasSubstr("add per=block"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=rceil"), HasSubstr("unknown scale=rceil"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=f32:ceil"), HasSubstr("rules are for powers of two"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=ue9m3"), HasSubstr("2 to 8 exponent bits"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=mantissa3"), HasSubstr("unknown scale=mantissa3"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=e4m3,outer=f32"), HasSubstr("add per=block"));
  EXPECT_THAT(refusal("e4m3,per=block,outer=f32"), HasSubstr("those in f32 need none"));
  EXPECT_THAT(refusal("mxfp4,outer=f32"), HasSubstr("those in e8m0 need none"));
  EXPECT_THAT(refusal("e4m3,per=block,scale=e8m0,range=percentile:99"),
              HasSubstr("range= does not go with scale=e8m0"));
  EXPECT_THAT(refusal("e5m2,per=row,overflow=saturate"), HasSubstr("under a scale all saturate"));
  EXPECT_THAT(refusal("bf16,per=row"), HasSubstr("no option 'per'"));
  EXPECT_THAT(refusal("e4m3,arithmetic=reciprocal"), HasSubstr("add per="));
  EXPECT_THAT(refusal("e4m3,per=row,scale=bf16,arithmetic=reciprocal"),
              HasSubstr("for scales in float32, and not for bf16"));
  EXPECT_THAT(refusal("mxfp4,arithmetic=reciprocal"), HasSubstr("and not for e8m0"));
  EXPECT_THAT(refusal("nvfp4,arithmetic=factor"), HasSubstr("does not go with an outer scale"));
  EXPECT_THAT(refusal("e4m3,per=row,scale=f16,arithmetic=factor"), HasSubstr("and not for f16"));
  EXPECT_THAT(refusal("mxfp4,least=normal"), HasSubstr("such as scale=e4m3, and not for e8m0"));
  EXPECT_THAT(refusal("int8,least=normal"), HasSubstr("and not for f32"));
  EXPECT_THAT(refusal("e4m3,least=normal"), HasSubstr("add per="));
  EXPECT_THAT(refusal("nvfp4,least=tiny"), HasSubstr("zero, subnormal or normal"));
  EXPECT_THAT(refusal("e4m3,margin=1"), HasSubstr("add per="));
  EXPECT_THAT(refusal("nvfp4,margin=1"), HasSubstr("nor under an outer scale"));
  EXPECT_THAT(refusal("mxfp4,margin=1"), HasSubstr("nor under an outer scale"));
  EXPECT_THAT(refusal("int8,margin=1"), HasSubstr("no option 'margin'"));
  for (const auto* margin : {"", "-1", "65", "1.5", "x"}) {
    EXPECT_THAT(refusal(std::string("e4m3,per=row,margin=") + margin), HasSubstr("a whole number from 0 to 64"));
  }
  EXPECT_THAT(refusal("int8,mode=asym,codes=full"), HasSubstr("codes= is for mode=sym"));
  EXPECT_THAT(refusal("int8,scale=e8m0,codes=full"), HasSubstr("does not go with scale=e8m0"));
  EXPECT_THAT(refusal("int8,codes=all"), HasSubstr("narrow, full or full-positive"));
  for (const auto* number : {"0", "-1", "inf", "nan", "1e99", "6.5x"}) {
    EXPECT_THAT(refusal(std::string("int8,range=") + number), HasSubstr("or a number above 0"));
  }
  EXPECT_THAT(refusal("int8,per=row,range=6.5"), HasSubstr("one range for all values"));
  EXPECT_THAT(refusal("mxfp4,fit=four-over-six"), HasSubstr("fit=four-over-six is for nvfp4"));
  EXPECT_THAT(refusal("nvfp4,fit=four-over-six,arithmetic=reciprocal"), HasSubstr("does not go with"));
  EXPECT_THAT(refusal("int4,fit=gptq"), HasSubstr("add hessian=FILE"));
  EXPECT_THAT(refusal("int4,hessian=h.bin"), HasSubstr("hessian= is for fit=gptq and range=output"));
  EXPECT_THAT(refusal("int4,range=output"), HasSubstr("add hessian=FILE"));
  EXPECT_THAT(refusal("int4,range=output,hessian=h.bin,order=activation"), HasSubstr("order= is for fit=gptq"));
  EXPECT_THAT(refusal("int4,range=output,hessian=h.bin,fit=gptq"), HasSubstr("does not go with fit=gptq"));
  EXPECT_THAT(refusal("int4,range=output,hessian=h.bin,tile=4x4"), HasSubstr("tile= does not go with range=output"));
  EXPECT_THAT(refusal("nvfp4,range=output,hessian=h.bin"), HasSubstr("nvfp4 has no range=output"));
  EXPECT_THAT(refusal("mxfp4,range=output,hessian=h.bin"), HasSubstr("no option 'range'"));
  EXPECT_THAT(refusal("e4m3,range=output,hessian=h.bin"), HasSubstr("add per="));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,damping=0"), HasSubstr("above 0 and at most 1"));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,order=random"), HasSubstr("natural or activation"));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,round=stochastic"), HasSubstr("does not go with round=stochastic"));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,awq=h.bin"), HasSubstr("awq= does not go with fit=gptq"));
  EXPECT_THAT(refusal("int4,smooth=c.gguf:0.5,awq=h.bin"), HasSubstr("keep one"));
  EXPECT_THAT(refusal("int4,awq="), HasSubstr("names no file"));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,tile=4x4"), HasSubstr("does not go with tile="));
  EXPECT_THAT(refusal("mxint8,scale=f32"), HasSubstr("take int8,per=block"));
  EXPECT_THAT(refusal("int8,scale=e8m0,mode=asym"), HasSubstr("mode=asym does not go with scale=e8m0"));
  EXPECT_THAT(refusal("int8,per=block,subblock=2"), HasSubstr("take per=block,scale=e8m0"));
  EXPECT_THAT(refusal("nvfp4,subblock=2"), HasSubstr("subblock"));
  EXPECT_THAT(refusal("mx6,subblock=3"), HasSubstr("does not divide block=16"));
  EXPECT_THAT(refusal("mx6,subblock=0"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(refusal("mx6,fit=gptq,hessian=h.bin"), HasSubstr("subblock=2: add subblock=none"));
  EXPECT_THAT(refusal("mx6,fit=gptq"), HasSubstr("add subblock=none"));
  EXPECT_THAT(refusal("mxfp4,block=4096"), HasSubstr("at most 2048 values"));
  EXPECT_THAT(refusal("int8,range='static:a,b"), HasSubstr("not closed by a quote"));
  for (const auto* text : {"hadamard:", "hadamard:3", "hadamard:1", "hadamard:33554432", "random:1:0", "random:1:"}) {
    EXPECT_THAT(refusal(std::string("bf16,rotate=") + text), HasSubstr("a power of two from 2 to 16777216"));
  }
  for (const auto* text : {"", "none:2", "random", "random:", "random:-1", "givens"}) {
    EXPECT_THAT(refusal(std::string("bf16,rotate=") + text), HasSubstr("none, hadamard[:N] or random:SEED[:N]"));
  }
  EXPECT_THAT(refusal("int8,range=static:r.json,rotate=hadamard"), HasSubstr("ranges of values that are not rotated"));
  for (const auto* text : {"", "c.gguf", ":0.5", "c.gguf:", "c.gguf:x", "c.gguf:1.5", "c.gguf:-1", "c.gguf:nan"}) {
    EXPECT_THAT(refusal(std::string("int8,smooth=") + text), HasSubstr("smooth=")) << text;
  }
  EXPECT_THAT(refusal("int8,range=static"), HasSubstr("names no file"));
  EXPECT_THAT(refusal("int8,range=static:r.json,smooth=c.gguf:0.5"), HasSubstr("take range=static, whose ranges"));
  EXPECT_THAT(refusal("int4,fit=gptq,hessian=h.bin,smooth=c.gguf:0.5"), HasSubstr("smooth= does not go with fit=gptq"));
  for (const auto* tile : {"", "128", "x", "0x4", "4x0", "4x-1", "4x4x4"}) {
    EXPECT_THAT(refusal(std::string("e4m3,tile=") + tile), HasSubstr("ROWSxCOLUMNS, such as 128x128"));
  }
  EXPECT_THAT(refusal("e4m3,tile=8x8,per=block"), HasSubstr("leave per= and block= out"));
  EXPECT_THAT(refusal("e4m3,tile=8x8,range=6.5"), HasSubstr("leave tile= out"));
  EXPECT_THAT(refusal("int8,tile=8x8,range=mse"), HasSubstr("tile= does not go with range=mse"));
  EXPECT_THAT(refusal("mxfp4,tile=8x8"), HasSubstr("no option 'tile'"));
  EXPECT_THAT(refusal("nvfp4,outer=static:a,range=6.5"), HasSubstr("keep one"));
  EXPECT_THAT(refusal("nvfp4,range=static:a,outer=static:a"), HasSubstr("keep one"));
  EXPECT_THAT(refusal("nf4,round=zero"), HasSubstr("no option 'round'"));
  EXPECT_THAT(refusal("lookup:"), HasSubstr("names no file"));
  EXPECT_THAT(refusal("bf16,seed=1"), HasSubstr("round=stochastic"));
  EXPECT_THAT(refusal("bf16,round=stochastic,seed=-1"), HasSubstr("0 to 2^64 - 1"));
}

}  // namespace
}  // namespace fakequant
