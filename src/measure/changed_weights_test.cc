// On a small model of each architecture (engine/architecture_models.h): logits under weights that are changed in the
// loaded model are those of a rounded copy that is loaded by itself, to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "engine/architecture_models.h"
#include "error.h"
#include "measure/prepared_variants.h"

namespace fakequant {
namespace {

constexpr std::size_t kTokens = 12;

std::vector<float> logits_of(Context& context) {
  const auto vocabulary = static_cast<std::size_t>(context.model().vocabulary_size());
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kTokens; ++i) tokens.push_back(static_cast<Token>((i * 41 + 7) % vocabulary));
  context.clear();
  context.evaluate(tokens, {0, kTokens});
  std::vector<float> logits;
  for (std::size_t i = 0; i < kTokens; ++i) {
    const auto of_token = context.logits(i);
    logits.insert(logits.end(), of_token.begin(), of_token.end());
  }
  return logits;
}

// In their bits: rounded factors of a rotation may give NaN.
bool are_same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Way {
  Arithmetic arithmetic;
  WeightMemory memory;
};

class ChangedWeightsOf : public testing::TestWithParam<std::string> {};

TEST_P(ChangedWeightsOf, GiveTheLogitsOfARoundedCopyAndTheBaselineAfterwards) {
  const GgufModel file(GetParam());
  const Recipe recipe{parse_rule("w:*=e4m3"), parse_rule("w:blk.1.*=int4")};
  ApplySettings storage;
  PreparedVariants copied(file, storage, 1);
  copied.add("copied", recipe);
  for (const auto& way :
       {Way{Arithmetic::native, {}}, Way{Arithmetic::native, {0, 0}}, Way{Arithmetic::native, {1 << 14, 1 << 10}},
        Way{Arithmetic::f32, {}}, Way{Arithmetic::f32, {0, 0}}, Way{Arithmetic::f32, {1 << 14, 1 << 10}}}) {
    ComputeOptions compute;
    compute.arithmetic = way.arithmetic;
    LoadedModels models({GetParam()}, compute);
    const auto options = context_options(32, compute);
    std::unique_ptr<Context> baseline;
    try {
      baseline = models.open_baseline(options);
    } catch (const Error&) {  // it predicts no tokens
      return;
    }
    const auto before = logits_of(*baseline);
    PreparedVariants changed(file, storage, 1, RoundedWeights::in_place, way.memory);
    changed.add("changed", recipe);
    ASSERT_TRUE(changed.variants()[0].weights);
    const auto expected = logits_of(*models.open(copied.variants()[0], options));
    EXPECT_FALSE(are_same(expected, before));
    const auto context = models.open(changed.variants()[0], options);
    EXPECT_TRUE(are_same(logits_of(*context), expected));
    EXPECT_TRUE(are_same(logits_of(*baseline), before));
    EXPECT_TRUE(are_same(logits_of(*context), expected));
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ChangedWeightsOf);
INSTANTIATE_TEST_SUITE_P(All, ChangedWeightsOf, testing::ValuesIn(architecture_models()), architecture_name);

}  // namespace
}  // namespace fakequant
