#include "sweep/predict_divergence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

constexpr int kChunks = 10;

// The factor of a chunk.
double factor(int chunk) { return 1 + 0.5 * std::sin(chunk); }

// Two sites of four layers in three formats. The divergence is the energy of the error times the layer's sensitivity.
std::vector<VariantEvidence> grid() {
  std::vector<VariantEvidence> variants;
  for (const int site : {0, 1}) {
    for (const int layer : {0, 1, 2, 3}) {
      for (const int format : {0, 1, 2}) {
        variants.push_back({{site, layer, false, format}, std::pow(10.0, -6 + 2 * format)});
      }
    }
  }
  return variants;
}

double level(const VariantEvidence& variant) {
  return variant.local_error * std::exp(variant.traits.site + 0.3 * variant.traits.layer);
}

void measure(VariantEvidence& variant, int begin, int end) {
  for (int chunk = begin; chunk < end; ++chunk) variant.klds[{0, chunk}] = level(variant) * factor(chunk);
}

TEST(PredictDivergence, PredictsHalfOfTheVariantsFromTheOthers) {
  auto variants = grid();
  for (std::size_t v = 0; v < variants.size(); v += 2) measure(variants[v], 0, kChunks);
  const auto predictions = predict_divergence(variants, kChunks);
  double mean = 0;
  for (int chunk = 0; chunk < kChunks; ++chunk) mean += factor(chunk) / kChunks;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const double expected = level(variants[v]) * mean;
    EXPECT_NEAR(predictions[v]->kld / expected, 1, 0.3) << v;
    EXPECT_LT(predictions[v]->low, expected);
    EXPECT_GT(predictions[v]->high, expected);
  }
}

TEST(PredictDivergence, FindsTheFloorOfSmallErrors) {
  auto variants = grid();
  constexpr double kFloor = 3e-6;
  const auto with_floor = [&](std::size_t v) { return level(variants[v]) + kFloor; };
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const int layer = variants[v].traits.layer, format = variants[v].traits.format;
    if (format == 0 && layer > 1) continue;
    for (int chunk = 0; chunk < kChunks; ++chunk) variants[v].klds[{0, chunk}] = with_floor(v);
  }
  const auto predictions = predict_divergence(variants, kChunks);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    if (!variants[v].klds.empty()) continue;
    EXPECT_NEAR(predictions[v]->kld / with_floor(v), 1, 0.3) << v;
  }
}

TEST(PredictDivergence, CorrectsForDifferentChunks) {
  auto variants = grid();
  measure(variants[1], 0, 5);
  measure(variants[4], 5, 10);
  measure(variants[13], 0, 10);
  auto whole = grid();
  for (const int v : {1, 4, 13}) measure(whole[static_cast<std::size_t>(v)], 0, 10);
  const auto of_parts = predict_divergence(variants, kChunks), of_whole = predict_divergence(whole, kChunks);
  for (std::size_t v = 0; v < variants.size(); ++v) EXPECT_NEAR(of_parts[v]->kld / of_whole[v]->kld, 1, 1e-3) << v;
}

TEST(PredictDivergence, HasWiderIntervalsWithFewerMeasuredChunks) {
  auto variants = grid();
  for (std::size_t v = 1; v < variants.size(); v += 3) measure(variants[v], 0, 5);
  const auto all = predict_divergence(variants, 5), half = predict_divergence(variants, kChunks);
  EXPECT_DOUBLE_EQ(all[0]->kld, half[0]->kld);
  EXPECT_LT(half[0]->low, all[0]->low);
  EXPECT_GT(half[0]->high, all[0]->high);
}

// Three chunks that happen to be alike do not show that others are.
TEST(PredictDivergence, IsNotSureOfChunksThatItHasNotSeen) {
  auto variants = grid();
  for (auto& variant : variants) {
    for (int chunk = 0; chunk < 3; ++chunk) variant.klds[{0, chunk}] = level(variant);
  }
  const auto reach = [&](std::size_t chunks) {
    const auto prediction = *predict_divergence(variants, chunks)[0];
    return std::log(prediction.high / prediction.kld);
  };
  EXPECT_GT(reach(30), std::hypot(reach(3), 0.7));
}

// Where the measured layers are alike, so will those be that were not measured.
TEST(PredictDivergence, LearnsHowMuchLayersVary) {
  const auto reach_of = [](double step) {
    std::vector<VariantEvidence> variants;
    for (int layer = 0; layer < 12; ++layer) {
      variants.push_back({{0, layer, false, 0}, 1e-4});
      if (layer % 2 == 0) continue;
      const double sensitivity = std::exp(step * (layer % 4 == 1 ? 1 : -1));
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        variants.back().klds[{0, chunk}] = 1e-4 * sensitivity * factor(chunk);
      }
    }
    const auto prediction = *predict_divergence(variants, kChunks)[4];
    EXPECT_NEAR(std::log(prediction.kld / 1e-4), 0, 0.3);
    return std::log(prediction.high / prediction.low);
  };
  EXPECT_LT(reach_of(0) * 1.5, reach_of(1));
}

TEST(PredictDivergence, PredictsNothingWithoutEvidenceAndZeroWithoutError) {
  auto variants = grid();
  for (const auto& prediction : predict_divergence(variants, kChunks)) EXPECT_FALSE(prediction.has_value());
  variants[0].local_error = 0;
  measure(variants[1], 0, 2);
  const auto predictions = predict_divergence(variants, kChunks);
  EXPECT_EQ(predictions[0]->kld, 0);
  EXPECT_EQ(predictions[0]->high, 0);
}

TEST(ChooseProbes, PrefersCheapAndInformativeVariantsWithinTheBudget) {
  const auto variants = grid();
  ProbeChoice choice;
  for (const auto& variant : variants) choice.costs.push_back(1 - 0.25 * variant.traits.layer);
  choice.weights.assign(variants.size(), 1);
  choice.is_known.assign(variants.size(), false);
  choice.budget = 3;
  const auto chosen = choose_probes(variants, choice);
  double cost = 0;
  std::vector<bool> has_site(2);
  for (const auto v : chosen) {
    cost += choice.costs[v];
    has_site[static_cast<std::size_t>(variants[v].traits.site)] = true;
  }
  EXPECT_LE(cost, 3);
  EXPECT_GT(cost, 2.7);
  EXPECT_TRUE(has_site[0] && has_site[1]);
  EXPECT_EQ(variants[chosen[0]].traits.layer, 3);
  // Known variants are not chosen, and a variant of weight 0 has no gain by itself.
  for (const auto v : chosen) choice.is_known[v] = true;
  for (const auto v : choose_probes(variants, choice)) EXPECT_THAT(chosen, testing::Not(testing::Contains(v)));
  choice.weights.assign(variants.size(), 0);
  EXPECT_TRUE(choose_probes(variants, choice).empty());
}

}  // namespace
}  // namespace fakequant
