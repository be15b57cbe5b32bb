#include "format/format.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

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
  for (const auto* text :
       {"bf16", "bf16,round=zero", "e4m3,round=stochastic,seed=18446744073709551615", "f16,overflow=saturate",
        "mantissa7", "e3m5", "int8", "int4,per=block,block=64,mode=asym,round=stochastic,seed=7",
        "int8,per=tensor,range=percentile:99.9", "int2,range=mse", "mxfp4,scale=ceil", "mxint8,round=away", "nvfp4",
        "nvfp4,range=static:r.json,round=zero", "int8,range=static:r.json",
        "int4,mode=asym,range='static:a,b.json',round=stochastic,seed=2"}) {
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

// Values to try for each option. An option that is not listed here fails the test.
const std::map<std::string, std::vector<std::string>> kTriedValues = {
    {"per", {"tensor", "token", "row", "block"}},
    {"block", {"1", "32", "48"}},
    {"mode", {"sym", "asym"}},
    {"range", {"absmax", "mse", "percentile:99.9", "percentile:100", "static:r.json", "static:a,b.json"}},
    {"scale", {"floor", "ceil", "nearest"}},
    {"overflow", {"infinity", "saturate"}},
    {"round", {"nearest", "away", "zero", "up", "down", "stochastic"}},
    {"seed", {"0", "7", "18446744073709551615"}}};

// Calls visit(options) with every choice of values for the keys, each of which may be left out.
void for_all_options(const std::vector<std::string>& keys, std::vector<FormatOption>& options,
                     const std::function<void(const std::vector<FormatOption>&)>& visit) {
  if (keys.empty()) return visit(options);
  const std::vector<std::string> rest(keys.begin() + 1, keys.end());
  for_all_options(rest, options, visit);
  for (const auto& value : kTriedValues.at(keys.front())) {
    options.push_back({keys.front(), value});
    for_all_options(rest, options, visit);
    options.pop_back();
  }
}

TEST(Format, PrintsWhatItParsesToTheSameFormatWhateverTheOptions) {
  int formats = 0;
  for (const auto& name : example_names()) {
    std::vector<FormatOption> chosen;
    for_all_options(option_keys(parse_format(name)), chosen, [&](const std::vector<FormatOption>& options) {
      std::optional<Format> format;
      try {
        format = make_format(name, options);
      } catch (const Error&) {
        return;  // options that do not go together
      }
      ++formats;
      ASSERT_EQ(parse_format(to_string(*format)), *format) << to_string(*format);
      ASSERT_EQ(make_format(name, options_of(*format)), *format) << to_string(*format);
      for (const auto& option : options_of(*format)) {
        const bool was_asked_for = std::any_of(options.begin(), options.end(), [&](const auto& other) {
          return other.key == option.key && other.value == option.value;
        });
        ASSERT_TRUE(was_asked_for) << to_string(*format);
      }
    });
  }
  EXPECT_GT(formats, 3000);
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
}

TEST(Format, IsWhatItsPartsSay) {
  const auto nvfp4 = parse_format("nvfp4");
  EXPECT_EQ(nvfp4.element.name, "e2m1");
  EXPECT_EQ(nvfp4.scale.type, ScaleType::e4m3);
  EXPECT_EQ(nvfp4.per, Span::block);
  EXPECT_EQ(nvfp4.block, 16);
  EXPECT_EQ(nvfp4.outer_scale, ScaleType::f32);
  const auto mxfp4 = parse_format("mxfp4");
  EXPECT_EQ(mxfp4.element, nvfp4.element);
  EXPECT_EQ(mxfp4.scale.type, ScaleType::e8m0);
  EXPECT_EQ(mxfp4.block, 32);
  EXPECT_EQ(mxfp4.outer_scale, ScaleType::none);
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
  EXPECT_THAT(refusal("bf16,size=3"), HasSubstr("no option 'size': it takes overflow=, round=, seed="));
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
  EXPECT_THAT(refusal("int8,range='static:a,b"), HasSubstr("not closed by a quote"));
  EXPECT_THAT(refusal("bf16,seed=1"), HasSubstr("round=stochastic"));
  EXPECT_THAT(refusal("bf16,round=stochastic,seed=-1"), HasSubstr("0 to 2^64 - 1"));
}

}  // namespace
}  // namespace fakequant
