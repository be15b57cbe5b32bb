#include "report/apply_report.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TensorRounding rounding(const std::string& name, const std::string& format, std::int64_t changed, double max_abs) {
  TensorRounding tensor{name, "F16", "F16", format, {}, 0, 0, 0, 0};
  tensor.errors.elements = 10;
  tensor.errors.changed = changed;
  tensor.errors.max_abs = max_abs;
  return tensor;
}

TEST(FoldLayers, PutsTheSameTensorOfAllLayersTogether) {
  ApplyResult result;
  result.tensors = {
      rounding("output.weight", "e4m3", 1, 0.5),         rounding("blk.0.ffn_up.weight", "e4m3", 2, 0.1),
      rounding("blk.0.ffn_down.weight", "e4m3", 3, 0.2), rounding("blk.1.ffn_up.weight", "e4m3", 4, 0.3),
      rounding("blk.2.ffn_up.weight", "bf16", 5, 0.4),   rounding("blk.3.ffn_up.weight", "e4m3", 6, 0.05)};
  result.tensors[5].became_infinite = 7;
  const auto folded = fold_layers(result).tensors;
  ASSERT_EQ(folded.size(), 4);
  EXPECT_EQ(folded[0].name, "output.weight");
  EXPECT_EQ(folded[1].name, "blk.0-1,3.ffn_up.weight");
  EXPECT_EQ(folded[1].errors.elements, 30);
  EXPECT_EQ(folded[1].errors.changed, 12);
  EXPECT_EQ(folded[1].errors.max_abs, 0.3);
  EXPECT_EQ(folded[1].became_infinite, 7);
  EXPECT_EQ(folded[2].name, "blk.0.ffn_down.weight");
  EXPECT_EQ(folded[3].name, "blk.2.ffn_up.weight");
  EXPECT_EQ(folded[3].format, "bf16");
}

}  // namespace
}  // namespace fakequant
