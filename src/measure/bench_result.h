// What `bench` measures: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fakequant {

// A variant's speed beside the baseline's: the median of the ratios of runs that were measured close together, and the
// interval that holds it with 95 % confidence.
struct Speed {
  double tps = 0;                                   // tokens per second: the baseline's divided by the ratio
  double ratio = 0, ratio_low = 0, ratio_high = 0;  // time / the baseline's time: above 1 is slower
};

struct BenchVariant {
  std::string name;
  std::string recipe;
  Speed prompt;
  Speed decode;
};

struct BenchResult {
  std::string model;
  int threads = 0;
  int prompt_tokens = 0;
  int decode_tokens = 0;
  int repetitions = 0;
  double prompt_tps = 0;  // of the baseline
  double decode_tps = 0;
  double load_ms = 0;
  std::uint64_t peak_rss = 0;  // bytes, of the whole process
  std::vector<BenchVariant> variants;
};

}  // namespace fakequant
