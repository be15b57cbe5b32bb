#include "engine/processors.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <stdlib.h>

#include <fstream>
#include <string>

namespace fakequant {
namespace {

namespace fs = std::filesystem;

// A folder that stands for "/".
class Root {
 public:
  Root() {
    std::string name = (fs::temp_directory_path() / "fakequant-root-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(CpuQuota, IsTheSmallestOnTheWayToTheRoot) {
  const Root root;
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  root.write("proc/self/cgroup", "0::/system.slice/docker-1.scope\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/system.slice/docker-1.scope/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/system.slice/docker-1.scope/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 2.5);
  root.write("sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 0.5);
  root.write("sys/fs/cgroup/system.slice/cpu.max", "900000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 2.5);
}

TEST(CpuQuota, IsFoundInsideAContainer) {
  for (const auto* group : {"0::/\n", "0::/../../somewhere/else\n", "0::/not/mounted/here\n"}) {
    const Root root;
    root.write("proc/self/cgroup", group);
    root.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
    EXPECT_EQ(cpu_quota(root.path()), 1.5) << group;
  }
}

TEST(CpuQuota, IsReadOfVersion1) {
  const Root root;
  root.write("proc/self/cgroup", "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/docker/1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(root.path()), 3);
  // The group is the root of the mount inside a container.
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "120000\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 1.2);
}

TEST(CpuQuota, IgnoresWhatIsNoQuota) {
  for (const auto* quota : {"", "max\n", "0 100000\n", "100000 0\n", "much 1\n", "-5 100000\n"}) {
    const Root root;
    root.write("proc/self/cgroup", "no colon\n0::/a\n");
    root.write("sys/fs/cgroup/a/cpu.max", quota);
    EXPECT_EQ(cpu_quota(root.path()), std::nullopt) << quota;
  }
}

TEST(AvailableProcessors, AreThoseOfTheQuotaRoundedUpButNoMoreThanThoseOfTheMask) {
  const Root root;
  EXPECT_EQ(available_processors(root.path()), omp_get_num_procs());
  root.write("proc/self/cgroup", "0::/a\n");
  for (const auto* quota : {"1000 100000", "100000 100000"}) {
    root.write("sys/fs/cgroup/a/cpu.max", quota);
    EXPECT_EQ(available_processors(root.path()), 1) << quota;
  }
  root.write("sys/fs/cgroup/a/cpu.max", "110000 100000");
  EXPECT_EQ(available_processors(root.path()), std::min(2, omp_get_num_procs()));
  root.write("sys/fs/cgroup/a/cpu.max", "99900000 100000");
  EXPECT_EQ(available_processors(root.path()), omp_get_num_procs());
}

TEST(ProcessorWatch, DoesNotCountThisProgram) {
  const ProcessorWatch watch;
  const auto busy = watch.busy_with_others();
  ASSERT_TRUE(busy);
  EXPECT_GE(*busy, 0);
}

TEST(WaitAsleep, MayBeCalledTwiceAndLeavesTeamsAsTheyAre) {
  wait_asleep();
  wait_asleep();
  int members = 0;
#pragma omp parallel num_threads(2) reduction(+ : members)
  members = 1;
  EXPECT_EQ(members, 2);
}

}  // namespace
}  // namespace fakequant
