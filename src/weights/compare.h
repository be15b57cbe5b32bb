// Compares two models tensor by tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "progress.h"
#include "weights/safetensors.h"

namespace fakequant {

struct TensorComparison {
  std::string name;    // in a
  std::string name_b;  // in b's file
  std::string type_a, type_b;
  std::string scale_b;  // the tensor in b's file that multiplies the stored codes; empty if none does
  std::int64_t elements = 0;
  // Pairs of values that differ in a bit as float, or as what they are where a float cannot hold them (F64, integers of
  // 32 and 64 bits); two NaNs are equal.
  std::int64_t changed = 0;
  std::int64_t not_finite = 0;  // those of them with a NaN or infinity; with any, max_abs and max_rel are infinite
  // Over the pairs whose difference is finite:
  double max_abs = 0;  // |a - b|
  double mean_abs = 0;
  double max_rel = 0;  // |a - b| / |a|, without a = 0
  double rmse = 0;
  double sqnr_db = 0;  // 10 log10(sum a^2 / sum (a - b)^2); infinity if nothing differs
  double cosine = 0;   // of the angle between a and b; 1 if both are all zeros, 0 if one is
  bool bytes_identical = false;
};

// A tensor of the same name whose values in b are not known.
struct NotComparable {
  std::string name, name_b;
  std::string reason;
};

struct Comparison {
  std::string a, b;
  std::vector<TensorComparison> tensors;  // those of the same name and shape, in a's order
  std::vector<NotComparable> not_comparable;
  std::vector<std::string> only_in_a, only_in_b;
  std::vector<std::string> reshaped;          // the same name, another shape
  std::vector<std::string> metadata_differs;  // keys that one of them lacks or that have different values
  std::int64_t tensors_identical = 0;         // in type and bytes
  bool identical = false;                     // the files are equal, byte for byte
};

// Reads both models on `threads` threads: once, and again if all tensors and keys are the same. The split into files
// matters to `identical` only.
Comparison compare(const GgufModel& a, const GgufModel& b, int threads, const Progress& progress = {});

// The same with the published model that `a` was converted from, whose tensors are renamed and reordered as the
// converter does. Metadata is not compared.
Comparison compare(const GgufModel& a, const SafetensorsModel& b, int threads, const Progress& progress = {});

}  // namespace fakequant
