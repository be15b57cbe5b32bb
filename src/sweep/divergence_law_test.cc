#include "sweep/divergence_law.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

// Two sites of three layers in two formats, at index site x 6 + layer x 2 + format.
std::vector<VariantTraits> grid() {
  std::vector<VariantTraits> variants;
  for (const int site : {0, 1}) {
    for (const int layer : {0, 1, 2}) {
      for (const int format : {0, 1}) variants.push_back({site, layer, false, format, format == 0 ? -10.0 : -4.0});
    }
  }
  return variants;
}

TEST(DivergenceLaw, PriorIsProportionalToTheEnergyOfTheError) {
  const DivergenceLaw law(grid());
  EXPECT_DOUBLE_EQ(law.expect(1).mean - law.expect(0).mean, 6);
  EXPECT_GT(law.expect(0).variance, 25);
}

TEST(DivergenceLaw, LearnsMostAboutRelatedVariants) {
  DivergenceLaw law(grid());
  const double low = law.expect(2).mean + 3;
  law.observe(2, low, 1e-6);
  EXPECT_NEAR(law.expect(2).mean, low, 0.1);
  EXPECT_NEAR(law.expect(3).mean, low + 6, 0.1);              // the same site and layer in the other format
  EXPECT_LT(law.expect(3).variance, law.expect(0).variance);  // of another layer
  EXPECT_LT(law.expect(0).variance, law.expect(6).variance);  // of another site
  EXPECT_LT(law.expect(6).variance, 25);
}

// The last layer may differ by much, without a sign that the others do.
TEST(DivergenceLaw, LearnsOfTheLastLayerAloneAboutOtherSitesThere) {
  auto variants = grid();
  for (auto& variant : variants) variant.is_end = variant.layer == 2;
  DivergenceLaw law(variants, 0, {0.1, 1});
  law.observe(0, -10, 1e-6);
  law.observe(2, -10, 1e-6);
  const double of_others = law.expect(3).mean, elsewhere = law.expect(11).mean;
  law.observe(4, -7, 1e-6);
  EXPECT_NEAR(law.expect(5).mean, -1, 0.2);
  EXPECT_NEAR(law.expect(3).mean, of_others, 0.2);
  EXPECT_GT(law.expect(11).mean, elsewhere + 1.5);
}

TEST(DivergenceLaw, GeneralizesTheEffectOfAFormatToOtherLayers) {
  DivergenceLaw law(grid());
  for (const std::size_t layer : {0, 1, 2}) law.observe(2 * layer, -8, 1e-6);
  law.observe(1, -8 + 6 + 1, 1e-6);  // format 1 loses more than its error predicts
  for (const std::size_t layer : {1, 2}) {
    EXPECT_GT(law.expect(2 * layer + 1).mean, -2 + 0.5) << layer;
    EXPECT_LT(law.expect(2 * layer + 1).mean, -2 + 1) << layer;
  }
}

TEST(DivergenceLaw, DoesNotDependOnTheOrderOfObservations) {
  DivergenceLaw one(grid()), other(grid());
  one.observe(0, -9, 0.01);
  one.observe(7, -2, 0.04);
  one.observe(10, -11, 0.01);
  other.observe(10, -11, 0.01);
  other.observe(0, -9, 0.01);
  other.observe(7, -2, 0.04);
  for (std::size_t v = 0; v < grid().size(); ++v) {
    EXPECT_NEAR(one.expect(v).mean, other.expect(v).mean, 1e-9);
    EXPECT_NEAR(one.expect(v).variance, other.expect(v).variance, 1e-9);
  }
}

TEST(DivergenceLaw, LearnsNothingAboutALayerAtTheFloor) {
  DivergenceLaw law(grid(), 1e-3);
  law.observe(1, std::log(0.1), 0.01);
  const double above = law.expect(3).mean;
  const double low = law.expect(0).mean;
  EXPECT_NEAR(low, std::log(1e-3), 0.3);
  EXPECT_LT(law.expect(0).variance, law.expect(3).variance);
  law.observe(2, std::log(1.2e-3), 0.01);
  EXPECT_NEAR(law.expect(3).mean, above, 0.3);
}

TEST(DivergenceLaw, LikelihoodGrowsWithTheQualityOfTheFit) {
  DivergenceLaw right(grid()), wrong(grid());
  for (const std::size_t v : {1, 3, 5}) {
    right.observe(v, -3, 0.01);
    wrong.observe(v, v == 3 ? -7 : -3, 0.01);
  }
  EXPECT_GT(right.likelihood(), wrong.likelihood());
}

TEST(DivergenceLaw, ForeseesTheDecreaseOfTheVariance) {
  DivergenceLaw law(grid()), foreseen(grid());
  law.observe(4, -7, 0.02);
  foreseen.observe(4, -7, 0.02);
  const std::vector<double> weights = {0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0};
  const double gain = law.gain(3, 0.01, weights);
  const double mean = foreseen.expect(1).mean;
  foreseen.foresee(3, 0.01);
  EXPECT_DOUBLE_EQ(foreseen.expect(1).mean, mean);
  const double less =
      law.expect(1).variance - foreseen.expect(1).variance + 2 * (law.expect(5).variance - foreseen.expect(5).variance);
  EXPECT_NEAR(gain, less, 1e-9);
  law.observe(3, -1, 0.01);
  EXPECT_NEAR(law.expect(1).variance, foreseen.expect(1).variance, 1e-12);
}

}  // namespace
}  // namespace fakequant
