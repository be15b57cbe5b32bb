// On a small model of each architecture: ARCHITECTURES names the folder where llama.cpp's generator put them. Of
// ARCHITECTURES_STEP models the test takes one. A variant that is held against a kept baseline, from the first layer
// that it changes on, has the scores that `eval` gives it.
#include "measure/kept_baseline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "engine/architecture_models.h"
#include "error.h"

namespace fakequant {
namespace {

constexpr int kTokens = 24;

class KeptBaselines : public testing::TestWithParam<std::string> {};

// As eval does it: both contexts side by side, the baseline's without a tap, all of it computed.
std::vector<TokenScore> scores_of_eval(const Model& model, const ChunkPlan& plan, const Chunk& chunk,
                                       const Recipe& recipe) {
  Context baseline(model, plan.context), variant(model, plan.context, recipe);
  std::vector<TokenScore> scores;
  for (auto* context : {&baseline, &variant}) context->clear(static_cast<std::uint32_t>(chunk.number));
  for (const auto& slice : plan.slices) {
    const auto predicted = predict_slice(baseline, chunk, slice, 1);
    score_slice(variant, chunk, slice, predicted, 1, scores);
  }
  return scores;
}

TEST_P(KeptBaselines, ServeEveryLayerOneAfterAnother) {
  const Model model({GetParam()});
  auto plan = plan_chunks(model, kTokens, {});
  // In two slices, as a chunk of a model with a large vocabulary is.
  plan.slices = {{0, 18, {12, 6}}, {18, 24, {0, 5}}};
  std::vector<Token> tokens;
  for (int i = 0; i < kTokens; ++i) tokens.push_back((i * 37 + 5) % model.vocabulary_size());
  const Chunk chunk{3, tokens};
  std::unique_ptr<Context> context;
  try {
    context = std::make_unique<Context>(model, plan.context, Recipe{});
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("does not predict the next token"));
    return;
  }
  const auto baseline = keep_baseline(*context, plan, chunk);
  int skipped = 0;
  for (int layer = model.layers(); layer-- > 0;) {
    const Recipe recipe{parse_rule(fmt::format("a:*@{}=int8,per=row,round=stochastic", layer))};
    try {
      context->set_recipe(recipe);
    } catch (const Error&) {
      continue;  // the layer has nothing to round
    }
    const auto scored = score_chunk(*context, plan, baseline);
    if (scored.start.layer > 0) ++skipped;
    EXPECT_EQ(scored.start.layer == 0, !scored.start.why_whole.empty());
    const auto expected = scores_of_eval(model, plan, chunk, recipe);
    ASSERT_EQ(scored.scores.size(), plan.slices[0].outputs.count + plan.slices[1].outputs.count);
    ASSERT_EQ(scored.scores.size(), expected.size());
    const auto one = sum_of(scored.scores), other = sum_of(expected);
    EXPECT_EQ(std::memcmp(&one, &other, sizeof(one)), 0) << layer;
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(scored.scores[i].kld, expected[i].kld) << layer;
  }
  if (skipped == 0) fmt::print("(computed whole)\n");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KeptBaselines);
INSTANTIATE_TEST_SUITE_P(All, KeptBaselines, testing::ValuesIn(architecture_models()), architecture_name);

}  // namespace
}  // namespace fakequant
