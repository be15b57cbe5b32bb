#include "measure/eval_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::ElementsAre;

std::vector<BatchOfCells> batches_of(std::vector<ChunkSlice> slices, int ctx_size, int batch_size = 0) {
  ChunkPlan plan;
  plan.slices = std::move(slices);
  plan.context = {.ctx_size = ctx_size, .batch_size = batch_size};
  return largest_batches(plan);
}

TEST(LargestBatches, AreThoseThatNoOtherExceedsInTokensAndCells) {
  EXPECT_THAT(batches_of({{0, 2048, {}}}, 2048), ElementsAre(BatchOfCells{512, 2048}));
  // 512 tokens at once in the first half, 170 after it, and the 4 that are left of the first half count for nothing.
  EXPECT_THAT(batches_of({{0, 1028, {}}, {1028, 1198, {}}, {1198, 1360, {}}}, 2048),
              ElementsAre(BatchOfCells{512, 1024}, BatchOfCells{170, 1280}, BatchOfCells{162, 1536}));
  EXPECT_THAT(batches_of({{0, 700, {}}}, 700, 1), ElementsAre(BatchOfCells{1, 700}));
}

}  // namespace
}  // namespace fakequant
