#include "report/experiment_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::HasSubstr;
using testing::Not;

ExperimentResult result(std::int64_t changed) {
  ExperimentResult result;
  result.model = "m.gguf";
  result.recipe = {parse_rule("w:ffn_norm=bf16,round=zero")};
  TensorRounding tensor;
  tensor.name = "blk.0.ffn_norm.weight";
  tensor.errors.elements = 100;
  tensor.errors.changed = changed;
  result.rounding = ApplyResult{};
  result.rounding->tensors = {tensor};
  result.comparison = Comparison{};
  VariantResult variant;
  variant.name = "weights";
  variant.figures.ppl_ratio = {1, 0};
  result.eval.variants = {variant};
  return result;
}

TEST(ExperimentReport, SaysPlainlyWhenNothingChanged) {
  EXPECT_THAT(to_markdown(result(0), {}), HasSubstr("**Nothing changed.**"));
  EXPECT_THAT(to_markdown(result(0), {}), HasSubstr("No other result was possible"));
  EXPECT_THAT(to_markdown(result(7), {}), Not(HasSubstr("Nothing changed")));
  EXPECT_THAT(to_markdown(result(7), {}), HasSubstr("7 of 100 values changed (7 %)"));
}

TEST(ExperimentReport, KeepsATextWithBackticksInsideItsFence) {
  auto with_text = result(7);
  PromptResult prompt;
  prompt.baseline = "```\ncode\n```";
  with_text.generation.prompts = {prompt};
  EXPECT_THAT(to_markdown(with_text, {}), HasSubstr("````\n```\ncode\n```\n````\n"));
}

}  // namespace
}  // namespace fakequant
