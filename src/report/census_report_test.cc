#include "report/census_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "report/census_classes.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TensorCensus norm(const std::string& name, std::optional<int> layer, double low16_zero) {
  TensorCensus tensor;
  tensor.name = name;
  tensor.type = "F32";
  tensor.shape = {4};
  tensor.elements = 4;
  tensor.layer = layer;
  tensor.low16_zero = low16_zero;
  return tensor;
}

TEST(CensusReport, SaysWhichTensorsWereBf16Already) {
  Census census;
  census.tensors = {norm("blk.0.ffn_norm.weight", 0, 1), norm("blk.1.ffn_norm.weight", 1, 1)};
  EXPECT_THAT(census_findings(census),
              ElementsAre(HasSubstr("All of the 2 tensors stored as F32 are BF16 already, every low half is zero: "
                                    "2 ffn_norm. Rounding them to BF16 changes nothing.")));
  census.tensors.push_back(norm("rope_freqs.weight", {}, 0.90625));
  EXPECT_THAT(census_findings(census), ElementsAre(HasSubstr("2 of the 3 tensors"),
                                                   HasSubstr("1 has more precision than BF16 holds: rope_freqs."),
                                                   HasSubstr("rope_freqs.weight is mostly BF16: 90.625 %")));
  census.tensors = {norm("output_norm.weight", {}, 0)};
  EXPECT_THAT(census_findings(census), ElementsAre(HasSubstr("None of the 1 tensor stored as F32 is BF16 already")));
  census.tensors.clear();
  EXPECT_THAT(census_findings(census), ElementsAre("No tensor is stored as F32."));
}

TEST(CensusReport, SpeaksOfTheSameTensorOfAllLayersInOneSentence) {
  Census census;
  census.tensors = {norm("blk.0.ffn_norm.weight", 0, 0.5), norm("blk.1.ffn_norm.weight", 1, 0.75),
                    norm("blk.3.ffn_norm.weight", 3, 0.625)};
  EXPECT_THAT(
      census_findings(census),
      ElementsAre(HasSubstr("None of the 3 tensors"),
                  "blk.0-1,3.ffn_norm.weight are mostly BF16: 50 % to 75 % of their values have a zero low half."));
  census.tensors[0].nans = 2;
  census.tensors[2].infs = 1;
  EXPECT_THAT(census_findings(census).back(), "blk.0,3.ffn_norm.weight hold 2 NaNs and 1 infinite value.");
}

TEST(CensusReport, LooksThroughThe1ThatTheConverterAdds) {
  Census census;
  census.architecture = "gemma3";
  census.tensors = {norm("blk.0.ffn_norm.weight", 0, 0.5), norm("output_norm.weight", {}, 0.25)};
  for (auto& tensor : census.tensors) tensor.low16_zero_minus_1 = 1;
  EXPECT_THAT(census_findings(census),
              ElementsAre(HasSubstr("All of the 2 tensors stored as F32 are BF16 after subtracting the converter's 1: "
                                    "ffn_norm and output_norm.")));
  census.tensors[1].low16_zero_minus_1 = 0.75;
  EXPECT_THAT(census_findings(census), ElementsAre(HasSubstr("1 of the 2 tensors stored as F32 is BF16 after"),
                                                   HasSubstr("1 has more precision than BF16 holds: output_norm.")));
}

TEST(CensusReport, SaysWhatIsStoredWiderThanItNeedsToBe) {
  Census census;
  census.tensors = {norm("blk.0.ffn_norm.weight", 0, 1), norm("output_norm.weight", {}, 0),
                    norm("token_embd.weight", {}, 0)};
  census.tensors[0].lossless_in = {"bf16", "tf32", "e5m2", "mantissa2"};
  census.tensors[1].lossless_in = {"f16", "tf32"};
  census.tensors[2] = census.tensors[1];
  census.tensors[2].type = "F16";
  for (auto& tensor : census.tensors) tensor.bytes = tensor.type == "F16" ? 8 : 16;
  census.tensors.push_back(census.tensors[0]);
  census.tensors.back().name = "blk.1.ffn_norm.weight";
  const auto findings = census_findings(census);
  EXPECT_THAT(findings,
              testing::Contains("2 ffn_norm, stored as F32, fit in e5m2 without loss: 8 B in place of 32 B."));
  EXPECT_THAT(findings,
              testing::Contains("output_norm, stored as F32, fits in f16 without loss: 8 B in place of 16 B."));
  const auto json = to_json(census, {});
  ASSERT_EQ(json["suggestions"].size(), 2u);  // the F16 tensor needs its bits
  EXPECT_EQ(json["suggestions"][0]["tensors"], Json({"blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight"}));
  EXPECT_EQ(json["suggestions"][0]["narrower_bytes"], 8);
}

TEST(CensusReport, FoldsLayersOfOneTypeAndShape) {
  Census census;
  census.tensors = {norm("output_norm.weight", {}, 0), norm("blk.0.ffn_norm.weight", 0, 1),
                    norm("blk.1.ffn_norm.weight", 1, 0.5), norm("blk.3.ffn_norm.weight", 3, 0.75),
                    norm("blk.2.ffn_norm.weight", 2, 1)};
  census.tensors[4].type = "F16";
  census.tensors[1].absmax = 7;
  const auto classes = fold_layers(census);
  ASSERT_EQ(classes.size(), 3u);
  EXPECT_EQ(classes[0].name, "output_norm.weight");
  EXPECT_EQ(classes[1].name, "blk.0-1,3.ffn_norm.weight");
  EXPECT_EQ(classes[1].tensors, 3);
  EXPECT_EQ(classes[1].low16_zero_min, 0.5);
  EXPECT_EQ(classes[1].low16_zero_max, 1);
  EXPECT_EQ(classes[1].absmax, 7);
  EXPECT_EQ(classes[2].name, "blk.2.ffn_norm.weight");
}

TEST(CensusReport, WritesWhatIsNotFiniteAsNull) {
  Census census;
  census.tensors = {norm("x", {}, 0)};
  census.tensors[0].kurtosis = std::numeric_limits<double>::quiet_NaN();
  const auto json = Json::parse(to_text(to_json(census, {})));
  EXPECT_TRUE(json["tensors"][0]["kurtosis"].is_null());
  EXPECT_TRUE(json["tensors"][0]["layer"].is_null());
  EXPECT_EQ(json["schema"], "fakequant.inspect/1");
}

}  // namespace
}  // namespace fakequant
