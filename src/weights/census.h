// The census: what precision the values of a file really have, whatever type they are stored in.
//
// A norm weight that is stored as F32 may hold no more than BF16 values; rounding it to BF16 then shows nothing. The
// census finds that out by looking at every value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "progress.h"

namespace fakequant {

struct TensorCensus {
  std::string name;
  std::string type;                 // as stored: "F32", "Q4_K"
  std::vector<std::int64_t> shape;  // ne[0], the length of a row, first
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;
  std::optional<int> layer;
  std::optional<double> low16_zero;      // F32 only: fraction of values whose low 16 bits are zero
  std::vector<std::string> lossless_in;  // of bf16, f16, tf32, e4m3, e5m2 and mantissaN: those that hold every value
  int mantissa_bits = 0;                 // of float32's 23, the most that any finite value uses
  // Of the finite values; not a number where there are none (kurtosis: where all are equal).
  double min = 0, max = 0, absmax = 0, mean = 0, std = 0;
  double kurtosis = 0;  // excess: 0 for a normal distribution
  std::int64_t zeros = 0, nans = 0, infs = 0;
};

struct Census {
  std::string model;
  std::string architecture;
  std::uint64_t file_size = 0;  // of all parts
  int layers = 0;
  std::vector<TensorCensus> tensors;  // those that were asked for, in the model's order
  std::map<std::string, int> types;   // tensors of each type
};

// True for an F32 tensor whose every value is a BF16 value already: rounding it to BF16 changes nothing.
bool is_bf16_already(const TensorCensus& tensor);

// Reads every value of the tensors whose names match the glob `pattern` once, on `threads` threads. Quantized types are
// widened by ggml. Throws a usage error when no name matches.
Census take_census(const GgufModel& model, const std::string& pattern, int threads, const Progress& progress = {});

}  // namespace fakequant
