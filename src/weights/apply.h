// Rounds the weights that a recipe names, and writes the model with them.
//
// Every value is replaced by the value that its format would hold, stored in the type it had. Where that type cannot
// hold the result, the storage rounds it once more; how often and by how much is reported beside the format's own
// error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/rounding_errors.h"
#include "gguf/gguf_file.h"
#include "progress.h"
#include "recipe/rule.h"

namespace fakequant {

struct TensorRounding {
  std::string name;
  std::string type;
  std::string format;                 // the winning rule's, "bf16,round=zero"
  RoundingErrors errors;              // rounded against original
  std::int64_t storage_moved = 0;     // rounded values that the storage type could not hold
  double storage_max_abs = 0;         // the most that it moved one of them that stayed finite
  std::int64_t storage_overflow = 0;  // finite values that became infinite in the storage type
};

struct ApplyResult {
  std::string model;
  std::string output;
  std::string recipe;                   // its rules in one line
  std::vector<TensorRounding> tensors;  // those that a rule named, in the file's order
  std::int64_t tensors_copied = 0;      // the others
  std::uint64_t output_size = 0;
};

// What `apply` does without rules, as the reference experiment's script did: FFN norms to BF16 by truncation.
Recipe default_weight_recipe();

// Throws as apply_to_file does when a rule cannot be applied to the file's weights.
void check_weight_rules(const GgufFile& file, const Recipe& recipe);

// Writes the model under the recipe's rules, all of them weight rules, to the file at `output`, whole or not at all.
// Throws a usage error when a rule matches nothing, or a tensor that is not stored as F32, F16 or BF16, or when
// `output` is the model itself; an Error when a file cannot be read or written.
ApplyResult apply_to_file(const GgufFile& file, const Recipe& recipe, const std::string& output, int threads,
                          const Progress& progress = {});

// The same into an open, empty file; `output` is its name in messages and in the result.
ApplyResult apply_to_descriptor(const GgufFile& file, const Recipe& recipe, int out, const std::string& output,
                                int threads, const Progress& progress = {});

}  // namespace fakequant
