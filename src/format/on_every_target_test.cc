// That tests which run on every target do so: a kernel says for which one it was compiled.
#include "format/on_every_target.h"

#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/on_every_target_test.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {
std::int64_t target_of_kernel() { return HWY_TARGET; }
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(target_of_kernel);

TEST(EveryTarget, RunsTheKernelsOfEachTargetOnce) {
  const auto best = HWY_DYNAMIC_DISPATCH(target_of_kernel)();
  std::vector<std::int64_t> run;
  on_every_target([&] {
    run.push_back(HWY_DYNAMIC_DISPATCH(target_of_kernel)());
    EXPECT_EQ(run.back(), hwy::SupportedTargets()) << "a kernel of another target ran";
  });
  EXPECT_EQ(run, hwy::SupportedAndGeneratedTargets());
  EXPECT_EQ(run.front(), best);
#if HWY_ARCH_X86 && HWY_STATIC_TARGET == HWY_SSE2
  EXPECT_GT(run.size(), 1u) << "every x86-64 processor of the last fifteen years has more than SSE2";
#endif
  EXPECT_EQ(HWY_DYNAMIC_DISPATCH(target_of_kernel)(), best);
}

}  // namespace
}  // namespace fakequant
#endif
