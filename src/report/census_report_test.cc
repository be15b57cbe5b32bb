#include "report/census_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

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
