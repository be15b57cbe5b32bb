// Recipes made ready to be measured: weight rules become a rounded copy of the model in memory, activation rules a tap.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "gguf/memory_file.h"
#include "measure/variant.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

class PreparedVariants {
 public:
  // `model` is the baseline; it must outlive this. `storage` says what becomes of quantized tensors.
  PreparedVariants(const GgufModel& model, const ApplySettings& storage, int threads)
      : model_(model), storage_(storage), threads_(threads) {}

  // Adds a variant under all the recipe's rules. Returns what rounding its weights did, where it has weight rules.
  // Throws as apply_to_files does.
  std::optional<ApplyResult> add(const std::string& name, const Recipe& recipe);

  // Adds another model as it is.
  void add_model(const std::string& name, const GgufModel& model);

  // They may be measured while this lives.
  const std::vector<Variant>& variants() const { return variants_; }

 private:
  const GgufModel& model_;
  ApplySettings storage_;
  int threads_;
  std::vector<MemoryFile> files_;
  std::vector<Variant> variants_;
};

}  // namespace fakequant
