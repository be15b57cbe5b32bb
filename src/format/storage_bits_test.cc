#include "format/storage_bits.h"

#include <gtest/gtest.h>

#include "format/format_facts.h"

namespace fakequant {
namespace {

constexpr ValueRows kMatrix{10, 256};

std::int64_t weight(const char* format, const ValueRows& values = kMatrix) {
  return storage_bits(parse_format(format), values, ScaledAs::weight);
}
std::int64_t activation(const char* format, const ValueRows& values = kMatrix) {
  return storage_bits(parse_format(format), values, ScaledAs::activation);
}

TEST(StorageBits, CountTheCodesAndTheScalesBesideThem) {
  EXPECT_EQ(weight("bf16"), 2560 * 16);
  EXPECT_EQ(weight("e4m3"), 2560 * 8);
  EXPECT_EQ(weight("mantissa7"), 2560 * 16);
  EXPECT_EQ(weight("int4"), 2560 * 4 + 10 * 32);
  EXPECT_EQ(weight("int4,per=tensor"), 2560 * 4 + 32);
  EXPECT_EQ(weight("int4,per=block,block=64"), 2560 * 4 + 40 * 32);
  EXPECT_EQ(weight("int4,mode=asym"), 2560 * 4 + 10 * 36);
  EXPECT_EQ(weight("int4,per=block,block=128,mode=asym,scale=f16"), 2560 * 4 + 20 * (16 + 4));
  EXPECT_EQ(weight("int8,codes=full,scale=bf16"), 2560 * 8 + 10 * 16);
  EXPECT_EQ(weight("int4,per=block,block=16,scale=e8m0"), 2560 * 4 + 160 * 8);
  EXPECT_EQ(weight("mxfp4"), 2560 * 4 + 80 * 8);
  EXPECT_EQ(weight("nvfp4"), 2560 * 4 + 160 * 8 + 32);
  EXPECT_EQ(weight("e4m3,per=row"), 2560 * 8 + 10 * 32);
  EXPECT_EQ(weight("e4m3,per=tensor,scale=bf16"), 2560 * 8 + 16);
  EXPECT_EQ(weight("e4m3,per=block,block=128"), 2560 * 8 + 20 * 32);
  EXPECT_EQ(weight("e4m3,per=block,block=128,scale=e8m0:rceil"), 2560 * 8 + 20 * 8);
  EXPECT_EQ(weight("e2m1,per=block,block=8,scale=ue4m2,outer=f32"), 2560 * 4 + 320 * 6 + 32);
  EXPECT_EQ(weight("e2m1,per=block,block=16,scale=e4m3"), 2560 * 4 + 160 * 8);
}

TEST(StorageBits, OfAnActivationAreThoseOfOneToken) {
  EXPECT_EQ(activation("int8"), 2560 * 8 + 32);
  EXPECT_EQ(activation("int8,per=row"), 2560 * 8 + 10 * 32);
  EXPECT_EQ(activation("int8,range=static:ranges.json"), 2560 * 8);
  EXPECT_EQ(activation("e4m3,per=token"), 2560 * 8 + 32);
  EXPECT_EQ(activation("e4m3,range=static:ranges.json"), 2560 * 8);
  EXPECT_EQ(activation("e4m3,range=6.5"), 2560 * 8);
  EXPECT_EQ(activation("nvfp4,range=static:ranges.json"), 2560 * 4 + 160 * 8);
}

TEST(StorageBits, CountABlockThatARowsEndCutsShortAsOne) {
  EXPECT_EQ(weight("mxfp4", {3, 40}), 120 * 4 + 6 * 8);
  EXPECT_EQ(weight("int4,per=block,block=32", {3, 40}), 120 * 4 + 6 * 32);
}

TEST(StorageBits, OfABlockAreInTheFormatsFacts) {
  EXPECT_EQ(facts_of(parse_format("int4,per=block,block=64")).bits, 4.5);
  EXPECT_EQ(facts_of(parse_format("int4,per=block,block=64,mode=asym")).bits, 4 + 36.0 / 64);
  EXPECT_EQ(facts_of(parse_format("e4m3,per=block,block=128")).bits, 8.25);
  EXPECT_EQ(facts_of(parse_format("e2m1,per=block,block=16,scale=ue5m3,outer=f32")).bits, 4.5);
  EXPECT_EQ(facts_of(parse_format("e2m1,per=row")).bits, 4);
}

// Without the scales of rows, tensors and tokens, that is what `formats` says of a value.
TEST(StorageBits, AreThoseOfTheFormatsFacts) {
  for (const auto& facts : all_format_facts()) {
    const auto format = parse_format(facts.name);
    const bool has_row_scale = format.scale.type == ScaleType::f32 && format.per != Span::block;
    const std::int64_t outer = has_row_scale ? 10 * 32 : bits_of(Scale{format.outer_scale});
    EXPECT_EQ(static_cast<double>(storage_bits(format, kMatrix, ScaledAs::weight) - outer), 2560 * facts.bits)
        << facts.name;
  }
}

}  // namespace
}  // namespace fakequant
