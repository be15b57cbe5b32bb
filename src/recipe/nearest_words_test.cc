#include "recipe/nearest_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NearestWords, HaveTheSmallestEditDistance) {
  EXPECT_THAT(nearest_words("fnn_norm", {"attn_norm", "ffn_norm", "ffn_up", "output"}),
              ElementsAre("ffn_norm", "attn_norm", "ffn_up", "output"));
  EXPECT_THAT(nearest_words("ffn_up-9", {"a", "b", "ffn_up-1", "ffn_up-8", "ffn_up-90", "ffn_upper-9", "z"}),
              ElementsAre("ffn_up-1", "ffn_up-8", "ffn_up-90", "ffn_upper-9"));
  EXPECT_THAT(nearest_words("any", {}), IsEmpty());
}

}  // namespace
}  // namespace fakequant
