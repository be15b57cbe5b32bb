// What `bench` measures: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fakequant {

// A variant's speed beside the baseline's: the middle of the ratios of runs that were measured close together, and the
// interval that holds it with 95 % confidence (paired_ratio.h), made wider by what equal models differ by (bench.cc).
struct Speed {
  double tps = 0;                                   // tokens per second: the baseline's divided by the ratio
  double ratio = 0, ratio_low = 0, ratio_high = 0;  // time / the baseline's time: above 1 is slower
};

struct BenchVariant {
  std::string name;
  std::string recipe;
  Speed prompt;
  Speed decode;
  std::optional<double> load_ms;          // of a model of its own; none where it runs on the baseline's
  std::optional<std::int64_t> rss_added;  // bytes; as the baseline's
};

struct BenchResult {
  std::string model;
  int threads = 0;
  int prompt_tokens = 0;
  int decode_tokens = 0;
  int repetitions = 0;
  double prompt_tps = 0;  // of the baseline
  double decode_tps = 0;
  double load_ms = 0;  // of the baseline's model
  // Bytes that the process held in memory after the baseline's first run, above what it held before its model was
  // loaded; none where the system does not say. Pages of mapped files count from when they are first read.
  std::optional<std::int64_t> rss_added;
  std::uint64_t peak_rss = 0;  // bytes, of the whole process, with all variants
  std::vector<BenchVariant> variants;
};

}  // namespace fakequant
