// Every float32 there is, through the kernels of every instruction set that this machine has.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "format/bf16.h"
#include "format/fake_quantize.h"

namespace fakequant {
namespace {

class EveryFloat : public testing::TestWithParam<Rounding> {};

TEST_P(EveryFloat, EqualsTheReference) {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  const bool truncates = GetParam() == Rounding::zero;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    std::vector<float> values(kPiece);
    for (std::uint64_t begin = 0; begin < std::uint64_t{1} << 32; begin += kPiece) {
      for (std::uint64_t i = 0; i < kPiece; ++i)
        values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(begin + i));
      fake_quantize({"bf16", GetParam()}, values);
      for (std::uint64_t i = 0; i < kPiece; ++i) {
        const float x = std::bit_cast<float>(static_cast<std::uint32_t>(begin + i));
        const float expected = truncates ? round_to_bf16<Rounding::zero>(x) : round_to_bf16<Rounding::nearest>(x);
        const bool both_nan = std::isnan(expected) && std::isnan(values[i]);
        ASSERT_TRUE(both_nan || std::bit_cast<std::uint32_t>(values[i]) == std::bit_cast<std::uint32_t>(expected))
            << std::hex << begin + i << " on " << hwy::TargetName(target);
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

INSTANTIATE_TEST_SUITE_P(Bf16, EveryFloat, testing::Values(Rounding::nearest, Rounding::zero));

}  // namespace
}  // namespace fakequant
