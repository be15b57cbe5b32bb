// Rounds the weights that a recipe names, and writes the model with them.
//
// Every value is replaced by the value that its format would hold, stored in the type it had. Where that type cannot
// hold the result, the storage rounds it once more; how often and by how much is reported beside the format's own
// error. Quantized types hold hardly any result: their tensors are stored wider, or quantized again, when asked to.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "format/rounding_errors.h"
#include "gguf/gguf_model.h"
#include "gguf/rewrite.h"
#include "progress.h"
#include "recipe/rule.h"

namespace fakequant {

struct ApplySettings {
  // What becomes of quantized tensors that a rule names: stored as this type (of plain_float_type()), or quantized into
  // their own type again, or, with neither, an error.
  std::optional<int> promote_to;
  bool requantize = false;
  bool provenance = true;        // write the keys fakequant.recipe, fakequant.version and fakequant.source
  bool hash_everything = false;  // the SHA-256 of the whole model in fakequant.source, and not only its header's
};

struct TensorRounding {
  std::string name;
  std::string type;
  std::string stored_as;              // the type it has in the output
  std::string format;                 // the winning rule's, "bf16,round=zero"
  RoundingErrors errors;              // rounded against original
  std::int64_t became_infinite = 0;   // finite values that the format made infinite
  std::int64_t storage_moved = 0;     // rounded values that the storage type could not hold
  double storage_max_abs = 0;         // the most that it moved one of them that stayed finite
  std::int64_t storage_overflow = 0;  // finite values that became infinite in the storage type
};

struct ApplyResult {
  std::string model;
  std::vector<std::string> outputs;     // a file for each part of the model
  std::string recipe;                   // its rules in one line
  std::vector<TensorRounding> tensors;  // those that a rule named, in the model's order
  std::int64_t tensors_copied = 0;      // the others
  std::uint64_t output_size = 0;
};

// The tensors that are others than they were: with another value, or of another type.
std::set<std::string> changed_tensors(const ApplyResult& rounding);

// What `apply` does without rules, as the reference experiment's script did: FFN norms to BF16 by truncation.
Recipe default_weight_recipe();

// What apply would do with a tensor.
struct PlannedRounding {
  std::size_t tensor = 0;  // its place in the model
  std::string format;
  int stored_as = 0;  // the type it would have
};

// What the rules would do, in the model's order, without doing it. Throws as apply_to_files does when a rule cannot be
// applied to the model's weights.
std::vector<PlannedRounding> plan_rounding(const GgufModel& model, const Recipe& recipe,
                                           const ApplySettings& settings = {});

// Writes the model under the recipe's rules, all of them weight rules, to the file at `output`, or, for a split model,
// to the files part_paths(output, ...), whole or not at all: the first part comes last. Throws a usage error when a
// rule matches nothing, or a tensor that cannot be stored after it, or when the output is the model itself; an Error
// when a file cannot be read or written.
ApplyResult apply_to_files(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                           const std::string& output, int threads, const Progress& progress = {});

// The same into open, empty files, one for each part of the model.
ApplyResult apply_to_targets(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                             const std::vector<RewriteTarget>& targets, int threads, const Progress& progress = {});

}  // namespace fakequant
