// Sweeps: each site of a model in each format, measured into a study (docs/studies.md).
#pragma once

#include <fakequant/export.h>

#include <cstdint>
#include <fakequant/eval.hpp>
#include <fakequant/session.hpp>
#include <fakequant/study.hpp>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace fakequant {

// How far a sweep has come.
struct SweepProgress {
  double done = 0;            // 0..1
  std::string variant;        // being measured
  std::int64_t measured = 0;  // chunks of variants, in this run
};

}  // namespace fakequant

namespace fakequant::FAKEQUANT_V0 {

// What a sweep measures.
struct SweepOptions {
  std::string model;  // a GGUF file
  std::string study;  // the file to create or to continue
  std::vector<Text> texts = {};
  std::vector<std::string> sites = {};       // as in rules: "a:ffn_input", "w:ffn_down"
  std::vector<std::string> exceptions = {};  // sites that are left out
  std::vector<std::string> formats = {};
  bool by_layer = false;                         // each layer separately
  ComputeOptions compute = {};                   // with no arithmetic named: that of a study which is continued
  int ctx_size = 0, batch_size = 0, chunks = 0;  // as in EvalOptions
  int shard = 1, shards = 1;                     // the share of the variants to measure, of so many
  double precision = 0;  // a variant ends when its divergence has a relative standard error below this; 0: never
  WeightStorage storage = {};
  std::function<void(const SweepProgress&)> progress = {};  // called after each chunk of a variant
  std::stop_token stop = {};                                // ends with what there is; the study keeps it
};

// Measures what is not in the study yet. Returns what the study has of the variants and texts that were asked for.
// Throws an Error; the study keeps all earlier measurements.
FAKEQUANT_API Study sweep(const SweepOptions& options);

}  // namespace fakequant::FAKEQUANT_V0
