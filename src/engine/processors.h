// How many processors the program may use, how many others use, and how OpenMP's threads wait for each other.
//
// ggml's threads meet after each node of a graph, and GNU's OpenMP lets those that came first wait in a loop. While
// other programs keep a processor busy, the thread that is waited for has none, and the loops take the time that it
// needs: on two processors beside about ten busy programs, two threads took twice as long as one, and three to four
// times the processor time. When they waited asleep instead, they were faster than one.
#pragma once

#include <filesystem>
#include <optional>

namespace fakequant {

// The processors of the CPU quota of this process's control group or of one above it, the smallest; none where there is
// no quota. Reads proc/self/cgroup, and cpu.max (version 2) or cpu.cfs_quota_us (version 1) in sys/fs/cgroup, below
// `root`.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

// The processors that this process may use: those of its affinity mask, and no more than its quota, which is rounded
// up. At least 1.
int available_processors(const std::filesystem::path& root = "/");

// Watches how busy other programs keep the processors of this process's affinity mask, from its construction on.
class ProcessorWatch {
 public:
  ProcessorWatch();

  // The processors that others kept busy since then, on average; none where that is not known. Waits where less than a
  // tenth of a second has passed, which is too short to tell.
  std::optional<double> busy_with_others() const;

  int processors() const { return begin_ ? begin_->processors : 0; }  // of the mask

 private:
  struct Times {
    double all = 0, own = 0;  // processor seconds: of all programs, and of this one
    double clock = 0;         // seconds
    int processors = 0;
  };
  static std::optional<Times> read();

  std::optional<Times> begin_;
};

// From now on threads of OpenMP that wait for others sleep almost at once. Costs a sleeping thread for each processor.
void wait_asleep();

}  // namespace fakequant
