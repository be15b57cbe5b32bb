// The census: the precision that the values of a file use, whatever type they are stored in.
//
// A norm weight stored as F32 may have BF16 values only; rounding it to BF16 then changes nothing. The census reads
// every value to find this out.
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
  std::optional<double> low16_zero;  // F32 only: fraction of values whose low 16 bits are zero
  // F32 norms of architectures whose converter adds 1 to them: fraction of values that are BF16 values plus 1.
  std::optional<double> low16_zero_minus_1;
  std::vector<std::string> lossless_in;  // those of bf16, f16, tf32, e4m3, e5m2 and mantissaN that hold every value;
                                         // of F64, f32 as well; none for integers
  int mantissa_bits = 0;                 // of mantissa_width: the maximum that a finite value uses
  int mantissa_width = 23;               // float32's; F64: 52; integers: 0
  bool is_integer = false;
  std::optional<std::int64_t> integer_min, integer_max;  // integers: min and max, exactly
  // Of the finite values; NaN if there are none (kurtosis: if all are equal).
  double min = 0, max = 0, absmax = 0, mean = 0, std = 0;
  double kurtosis = 0;  // excess: 0 for a normal distribution
  std::int64_t zeros = 0, nans = 0, infs = 0;
};

struct Census {
  std::string model;
  std::string architecture;
  std::uint64_t file_size = 0;  // of all parts
  int layers = 0;
  std::vector<TensorCensus> tensors;  // those selected, in the model's order
  std::map<std::string, int> types;   // how many tensors have each type
};

// True for an F32 tensor with BF16 values only: rounding it to BF16 changes nothing.
bool is_bf16_already(const TensorCensus& tensor);

// True for a norm that is BF16 before its converter adds 1: every value is float32(1 + b), and b is BF16.
bool is_bf16_but_for_1(const TensorCensus& tensor);

// Reads every value of the tensors whose names match `glob` once, on `threads` threads. ggml dequantizes quantized
// types. Throws a usage error if no name matches.
Census take_census(const GgufModel& model, const std::string& glob, int threads, const Progress& progress = {});

}  // namespace fakequant
