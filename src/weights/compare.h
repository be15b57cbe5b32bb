// Two models, tensor by tensor: what differs, how much, and where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "progress.h"
#include "weights/safetensors.h"

namespace fakequant {

struct TensorComparison {
  std::string name;    // as a has it
  std::string name_b;  // as b's file has it
  std::string type_a, type_b;
  std::int64_t elements = 0;
  std::int64_t changed = 0;     // values whose bits differ as float; two NaNs count as equal
  std::int64_t not_finite = 0;  // of them, those where one of the two is NaN or infinite; then both maxima are infinite
  // Over the pairs whose difference is finite:
  double max_abs = 0;  // |a - b|
  double mean_abs = 0;
  double max_rel = 0;  // |a - b| / |a|, a = 0 left out
  double rmse = 0;
  double sqnr_db = 0;  // 10 log10(sum a^2 / sum (a - b)^2); infinity where nothing differs
  double cosine = 0;   // of the angle between a and b; 1 where both are all zero, 0 where one is
  bool bytes_identical = false;
};

struct Comparison {
  std::string a, b;
  std::vector<TensorComparison> tensors;  // those of the same name and shape, in the order of a
  std::vector<std::string> only_in_a, only_in_b;
  std::vector<std::string> reshaped;          // the same name, another shape
  std::vector<std::string> metadata_differs;  // keys that only one has, or with other values
  std::int64_t tensors_identical = 0;         // type and bytes
  bool identical = false;                     // the files of both, byte for byte
};

// Reads both models on `threads` threads: once, and once more where all tensors and keys are the same. How they are
// split into files is no difference but in `identical`.
Comparison compare(const GgufModel& a, const GgufModel& b, int threads, const Progress& progress = {});

// The same with the published model that a was made from, whose names and order of values are put into a's. Metadata is
// not compared.
Comparison compare(const GgufModel& a, const SafetensorsModel& b, int threads, const Progress& progress = {});

}  // namespace fakequant
