#include "study/variant_bits.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

std::int64_t bits_of(const char* rule) {
  const ValueRows three_heads{3, 64};
  return bits_in(parse_rule(rule), {{"k_cache-0", three_heads}, {"k_cache-1", three_heads}});
}

TEST(VariantBits, OfTheCacheHaveAScaleForEachHead) {
  EXPECT_EQ(bits_of("a:k_cache=int4"), 2 * (192 * 4 + 3 * 32));
  EXPECT_EQ(bits_of("a:k_cache=int4,per=token"), 2 * (192 * 4 + 32));
  EXPECT_EQ(bits_of("a:Kcur=int4"), 2 * (192 * 4 + 32));
  EXPECT_EQ(bits_of("a:v_cache=int2,per=block,block=32,mode=asym,scale=f16"), 2 * (192 * 2 + 6 * (16 + 2)));
  EXPECT_EQ(bits_of("a:v_cache=e4m3,keep=recent:128"), 2 * 192 * 8);
  EXPECT_EQ(bits_of("a:v_cache=int8,range=6.5"), 2 * 192 * 8);
}

TEST(VariantBits, OfAStateHaveAScaleForEachRow) { EXPECT_EQ(bits_of("a:state=int8"), 2 * (192 * 8 + 3 * 32)); }

TEST(VariantBits, OfChannelsHaveAScaleForEachGroupOfTokens) {
  EXPECT_EQ(bits_of("a:k_cache=int2,per=channel,group=32,mode=asym,scale=f16"), 2 * (192 * 2 + 192 * (16 + 2) / 32));
  EXPECT_EQ(bits_of("a:k_cache=int4,per=channel,group=64,keep=sink:4,recent:128"), 2 * (192 * 4 + 192 * 32 / 64));
  EXPECT_EQ(bits_of("a:k_cache=int4,per=channel,group=7"), 2 * (192 * 4 + (192 * 32 + 6) / 7));
}

}  // namespace
}  // namespace fakequant
