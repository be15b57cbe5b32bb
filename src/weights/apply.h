// Rounds the weights that a recipe selects, and writes the model with them.
//
// Each value is rounded to its rule's format and stored in the tensor's own type. If the type cannot represent the
// result, storing it rounds it again; how often and by how much is reported separately from the format's error.
// Quantized types represent almost no result: their tensors are promoted to a wider type or requantized, on request.
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
  // How to store a quantized tensor that a rule selects: as this type (of plain_float_type()), or quantized to its own
  // type again. With neither, it is an error.
  std::optional<int> promote_to;
  bool requantize = false;
  // Without rules, promote every quantized tensor.
  bool promote_all = false;
  // How to store every float and quantized tensor, whether a rule selects it or not. As F16 or BF16 those that
  // llama.cpp computes in F32 only (vectors, and what its converter keeps) stay as they are.
  std::optional<int> store_as;
  bool provenance = true;        // write the keys fakequant.recipe, fakequant.version and fakequant.source
  bool hash_everything = false;  // fakequant.source has the SHA-256 of the whole model too, not only of its header
};

struct TensorRounding {
  std::string name;
  std::string type;
  std::string stored_as;              // the type in the output
  std::string format;                 // the winning rule's, "bf16,round=zero"; empty if it is only stored otherwise
  RoundingErrors errors;              // rounded against original
  std::int64_t became_infinite = 0;   // finite values that the format rounds to infinity
  std::int64_t storage_moved = 0;     // rounded values that the storage type cannot represent
  double storage_max_abs = 0;         // the largest change of those that stay finite
  std::int64_t storage_overflow = 0;  // finite values that became infinite in the storage type
  bool lacks_importance = false;      // the rule's importance matrix does not have it

  std::int64_t became_nan() const { return errors.not_finite - became_infinite; }  // of the finite values
};

struct ApplyResult {
  std::string model;
  std::vector<std::string> outputs;     // a file for each part of the model
  std::string recipe;                   // its rules in one line
  std::vector<TensorRounding> tensors;  // those that a rule selects or that get another type, in the model's order
  std::int64_t tensors_copied = 0;      // the others
  std::uint64_t output_size = 0;
};

// The tensors with a value that the rounding or storing changed, or another type.
std::set<std::string> changed_tensors(const ApplyResult& rounding);

// The default of `apply`, as in the reference experiment: FFN norms to BF16 by truncation.
Recipe default_weight_recipe();

// The format and type that a tensor would get.
struct PlannedRounding {
  std::size_t tensor = 0;  // its index in the model
  std::string format;
  int stored_as = 0;  // a ggml type
};

// The tensors that the rules would round, in the model's order, without rounding them. Throws as apply_to_files does if
// a rule cannot be applied to the model's weights.
std::vector<PlannedRounding> plan_rounding(const GgufModel& model, const Recipe& recipe,
                                           const ApplySettings& settings = {});

// Writes the model rounded by the recipe, which has weight rules only, to the file `output`, or, for a split model, to
// the files part_paths(output, ...), the first part last. After a failure no output exists. Throws a usage error if a
// rule matches nothing or a tensor whose result cannot be stored, or if the output is the model itself; an Error if a
// file cannot be read or written.
ApplyResult apply_to_files(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                           const std::string& output, int threads, const Progress& progress = {});

// The same, to open, empty files, one for each part of the model.
ApplyResult apply_to_targets(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                             const std::vector<RewriteTarget>& targets, int threads, const Progress& progress = {});

}  // namespace fakequant
