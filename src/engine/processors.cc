#include "engine/processors.h"

#include <omp.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

namespace fakequant {
namespace {

namespace fs = std::filesystem;

// The quota in a folder of the control groups of version 2: "200000 100000" is two processors, "max 100000" is none.
std::optional<double> quota_of_version_2(const fs::path& folder) {
  std::ifstream file(folder / "cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> quota_of_version_1(const fs::path& folder) {
  std::ifstream quota_file(folder / "cpu.cfs_quota_us"), period_file(folder / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// The smallest quota of the group and those above it. A container may see its group as the root, or the path that the
// group has outside: folders that are not there have no quota.
template <typename Quota>
void take_quotas(const fs::path& mount, const std::string& group, const Quota& quota_of,
                 std::optional<double>& smallest) {
  auto path = fs::path(group).relative_path().lexically_normal();
  if (!path.empty() && *path.begin() == "..") path.clear();
  while (true) {
    if (const auto quota = quota_of(mount / path); quota && (!smallest || *quota < *smallest)) smallest = quota;
    if (path.empty() || path == ".") return;
    path = path.parent_path();
  }
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> smallest;
  const auto mounts = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b", or "4:cpu,cpuacct:/a/b" in version 1
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      take_quotas(mounts, group, quota_of_version_2, smallest);
      take_quotas(mounts / "unified", group, quota_of_version_2, smallest);
      continue;
    }
    if (("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    take_quotas(mounts / controllers, group, quota_of_version_1, smallest);
    if (controllers != "cpu") take_quotas(mounts / "cpu", group, quota_of_version_1, smallest);
  }
  return smallest;
}

int available_processors(const fs::path& root) {
  const int allowed = std::max(1, omp_get_num_procs());  // of the affinity mask
  const auto quota = cpu_quota(root);
  if (!quota || *quota >= allowed) return allowed;
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

ProcessorWatch::ProcessorWatch() : begin_(read()) {}

std::optional<ProcessorWatch::Times> ProcessorWatch::read() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return std::nullopt;
  Times times;
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    unsigned int cpu = 0;
    if (!line.starts_with("cpu") || line.size() < 4 || line[3] == ' ') continue;
    std::istringstream fields(line.substr(3));
    // Ticks: user, nice, system, idle, waiting for a disk, interrupts, soft interrupts.
    double user = 0, nice = 0, system = 0;
    if (!(fields >> cpu >> user >> nice >> system) || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) continue;
    times.all += (user + nice + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    ++times.processors;
  }
  struct rusage own {};
  if (times.processors == 0 || getrusage(RUSAGE_SELF, &own) != 0) return std::nullopt;
  times.own = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
  times.clock = clock_seconds();
  return times;
}

std::optional<double> ProcessorWatch::busy_with_others() const {
  if (!begin_) return std::nullopt;
  constexpr double kShortest = 0.1;
  if (const auto missing = begin_->clock + kShortest - clock_seconds(); missing > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(missing));
  }
  const auto end = read();
  if (!end) return std::nullopt;
  return std::max(0.0, (end->all - begin_->all) - (end->own - begin_->own)) / (end->clock - begin_->clock);
}

void wait_asleep() {
  // GNU's OpenMP has no function for this, and reads its environment before main. But its threads wait in short loops
  // while it has more threads than there are processors. So a thread with a team of its own that is larger sleeps here,
  // as long as the program runs.
  static std::once_flag once;
  std::call_once(once, [] {
    std::promise<void> ready;
    auto is_ready = ready.get_future();
    std::thread([&ready] {
      std::atomic<int> members = 0;
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
      ++members;
      ready.set_value();
      while (true) pause();  // its team sleeps, too
    }).detach();
    is_ready.wait();
  });
}

}  // namespace fakequant
