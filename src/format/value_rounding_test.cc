#include "format/value_rounding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "format/fake_quantize.h"

namespace fakequant {
namespace {

TEST(ValueRounding, GivesTheBitsOfRoundingARow) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> row(600);
  for (auto& x : row) x = normal(random);
  for (std::size_t i = 64; i < 128; ++i) row[i] = 0;
  row[200] = 3;
  for (const auto* text : {"bf16",
                           "e4m3",
                           "e5m2",
                           "mantissa3",
                           "int4",
                           "int4,per=tensor",
                           "int4,per=block,block=128",
                           "int3,per=block,block=24,mode=asym,scale=f16",
                           "int4,per=block,codes=full,scale=bf16",
                           "int8,per=block,scale=e8m0",
                           "e4m3,per=row",
                           "e4m3,per=block,arithmetic=reciprocal",
                           "e2m1,per=block,scale=e4m3",
                           "int4,range=mse,per=block",
                           "mxfp4",
                           "mxfp6,scale=even",
                           "mxint8",
                           "nvfp4",
                           "nvfp4,arithmetic=reciprocal",
                           "nvfp4,least=normal",
                           "e4m3,per=block,margin=2",
                           "nf4",
                           "nf4,per=row,scale=e8m0",
                           "int4,round=zero"}) {
    auto format = parse_format(text);
    if (has_scale(format)) format.per = span_of_scale(format, ScaledAs::weight);
    auto expected = row;
    const auto saturated = round_values(format, expected, {.row = static_cast<std::int64_t>(row.size())});
    const auto shared = shares_scale_across_tensor(format) ? scale_of(format, row) : SharedScale();
    const auto length = format.per == Span::block ? static_cast<std::size_t>(format.block) : row.size();
    std::int64_t found_saturated = 0;
    for (std::size_t begin = 0; begin < row.size(); begin += length) {
      const std::span group(row.data() + begin, std::min(length, row.size() - begin));
      const auto scale = scale_of_group(format, shared, group);
      for (std::size_t i = begin; i < begin + group.size(); ++i) {
        const auto rounded = round_in_group(format, scale, row[i]);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(rounded.value), std::bit_cast<std::uint32_t>(expected[i]))
            << text << " " << i << ": " << rounded.value << " for " << expected[i];
        found_saturated += rounded.saturated;
      }
    }
    EXPECT_EQ(found_saturated, saturated) << text;
  }
}

}  // namespace
}  // namespace fakequant
