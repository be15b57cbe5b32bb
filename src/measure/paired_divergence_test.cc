#include "measure/paired_divergence.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

VariantResult variant(const std::vector<double>& klds) {
  VariantResult result;
  for (std::size_t i = 0; i < klds.size(); ++i) {
    ChunkResult chunk;
    chunk.chunk = static_cast<int>(i);
    chunk.figures.kld.value = klds[i];
    result.chunks.push_back(chunk);
  }
  return result;
}

// scipy.stats.ttest_rel([.3, .2, .5, .45], [.25, .18, .42, .41]) of SciPy 1.17: t = 3.8, p = 0.0320046 (two-sided), 95
// % interval of the difference 0.0077194 to 0.0872806.
TEST(PairedDivergence, IsThePairedTTest) {
  const auto found = paired_divergence(variant({.25, .18, .42, .41}), variant({.3, .2, .5, .45}));
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->difference, 0.0475, 1e-12);
  EXPECT_TRUE(found->is_first_better);
  EXPECT_NEAR(found->confidence, 1 - 0.03200459 / 2, 1e-8);
  EXPECT_NEAR(found->low, 0.0077194212, 1e-10);
  EXPECT_NEAR(found->high, 0.0872805788, 1e-10);
}

TEST(PairedDivergence, TurnsItsSignWithTheOrder) {
  const auto a = variant({.1, .3, .2}), b = variant({.2, .25, .4});
  const auto ab = paired_divergence(a, b), ba = paired_divergence(b, a);
  EXPECT_EQ(ab->difference, -ba->difference);
  EXPECT_EQ(ab->low, -ba->high);
  EXPECT_EQ(ab->confidence, ba->confidence);
}

TEST(PairedDivergence, NeedsTwoChunksInCommon) {
  EXPECT_FALSE(paired_divergence(variant({.1}), variant({.2, .3})));
  auto overflowed = variant({.1, .2});
  overflowed.overflow.emplace();
  EXPECT_FALSE(paired_divergence(overflowed, variant({.2, .3})));
}

TEST(PairedDivergence, IsCertainOfNothingWhereNothingDiffers) {
  const auto same = paired_divergence(variant({.1, .2, .3}), variant({.1, .2, .3}));
  EXPECT_EQ(same->difference, 0);
  EXPECT_EQ(same->confidence, 0.5);
}

}  // namespace
}  // namespace fakequant
