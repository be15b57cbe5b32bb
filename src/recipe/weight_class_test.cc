#include "recipe/weight_class.h"

#include <gtest/gtest.h>

#include <vector>

namespace fakequant {
namespace {

WeightClass class_of(const char* name, const std::vector<std::int64_t>& shape) { return class_of_weight(name, shape); }

TEST(WeightClass, FollowsFromNameAndShape) {
  for (const char* name :
       {"blk.0.attn_q.weight", "blk.0.ffn_gate_inp.weight", "blk.3.ssm_in.weight", "blk.0.shortconv.in_proj.weight",
        "blk.0.time_mix_w1.weight", "per_layer_model_proj.weight", "enc.blk.0.ffn_up.weight"}) {
    EXPECT_EQ(class_of(name, {64, 32}), WeightClass::matrix) << name;
  }
  EXPECT_EQ(class_of("blk.0.ffn_up_exps.weight", {64, 32, 8}), WeightClass::matrix);
  EXPECT_EQ(class_of("blk.0.ffn_gate_inp_shexp.weight", {64}), WeightClass::matrix);
  EXPECT_EQ(class_of("blk.0.ffn_gate_inp_shexp.weight", {64, 1}), WeightClass::matrix);
  EXPECT_EQ(class_of("blk.0.attn_norm.weight", {64}), WeightClass::norm);
  EXPECT_EQ(class_of("blk.0.attn_q_norm.weight", {64, 4}), WeightClass::norm);
  EXPECT_EQ(class_of("token_embd_norm.weight", {64}), WeightClass::norm);
  EXPECT_EQ(class_of("output_norm.weight", {64}), WeightClass::norm);
  EXPECT_EQ(class_of("token_embd.weight", {64, 100}), WeightClass::embedding);
  EXPECT_EQ(class_of("per_layer_token_embd.weight", {64, 100}), WeightClass::embedding);
  EXPECT_EQ(class_of("output.weight", {64, 100}), WeightClass::output);
  EXPECT_EQ(class_of("blk.0.attn_norm.bias", {64}), WeightClass::bias);
  EXPECT_EQ(class_of("blk.0.ffn_up_exps.bias", {64, 4}), WeightClass::bias);
  for (const char* name : {"blk.0.ssm_conv1d.weight", "blk.0.shortconv.conv.weight", "blk.0.attn_rel_b.weight",
                           "blk.0.time_mix_lerp_fused.weight", "blk.0.attn_q.scale"}) {
    EXPECT_EQ(class_of(name, {4, 64}), WeightClass::other) << name;
  }
  EXPECT_EQ(class_of("rope_freqs.weight", {32}), WeightClass::other);
  EXPECT_EQ(class_of("blk.0.attn_sinks.weight", {8}), WeightClass::other);
}

TEST(WeightClass, OfAFactorIsAMatrixUnlessItIsTheEmbeddingOrTheOutput) {
  EXPECT_EQ(class_of_factor("blk.0.ssm_beta.weight"), WeightClass::matrix);
  EXPECT_EQ(class_of_factor("token_embd.weight"), WeightClass::embedding);
  EXPECT_EQ(class_of_factor("output.weight"), WeightClass::output);
}

TEST(WeightClass, HasASelector) {
  for (const auto& selector : class_selectors()) {
    const auto found = class_of_selector(selector);
    ASSERT_TRUE(found) << selector;
    EXPECT_EQ(selector_of(*found), selector);
  }
  EXPECT_EQ(class_selectors().size(), 4U);
  EXPECT_TRUE(may_select_none(kRouters));
  EXPECT_FALSE(class_of_selector("ffn_up"));
  EXPECT_FALSE(class_of_selector(""));
}

TEST(WeightClass, IsCounted) {
  EXPECT_EQ(counted(WeightClass::matrix, 1), "1 matrix");
  EXPECT_EQ(counted(WeightClass::matrix, 154), "154 matrices");
  EXPECT_EQ(counted(WeightClass::bias, 2), "2 biases");
}

}  // namespace
}  // namespace fakequant
