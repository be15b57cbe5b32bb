// Two GGUF files, tensor by tensor: what differs, how much, and where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "progress.h"

namespace fakequant {

struct TensorComparison {
  std::string name;
  std::string type_a, type_b;
  std::int64_t elements = 0;
  std::int64_t changed = 0;  // values whose bits differ as float; two NaNs count as equal
  // Over the pairs whose difference is finite:
  double max_abs = 0;  // |a - b|
  double mean_abs = 0;
  double max_rel = 0;  // |a - b| / |a|, a = 0 left out
  double rmse = 0;
  double sqnr_db = 0;  // 10 log10(sum a^2 / sum (a - b)^2); infinity where nothing differs
  double cosine = 0;   // of the angle between a and b; not a number where one is all zero
  bool bytes_identical = false;
};

struct Comparison {
  std::string a, b;
  std::vector<TensorComparison> tensors;  // those of the same name and shape, in the order of a
  std::vector<std::string> only_in_a, only_in_b;
  std::vector<std::string> reshaped;          // the same name, another shape
  std::vector<std::string> metadata_differs;  // keys that only one has, or with other values
  std::int64_t tensors_identical = 0;         // type and bytes
  bool identical = false;                     // the two files, byte for byte
};

// Reads both files once, on `threads` threads.
Comparison compare(const GgufFile& a, const GgufFile& b, int threads, const Progress& progress = {});

}  // namespace fakequant
