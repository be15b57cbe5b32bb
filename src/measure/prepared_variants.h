// Recipes made ready to be measured: weight rules become changed weights of the loaded model or a rounded copy of it in
// memory, activation rules a tap.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "gguf/memory_file.h"
#include "measure/variant.h"
#include "measure/weight_memory.h"
#include "recipe/rule.h"
#include "weights/apply.h"
#include "weights/weight_rounding.h"

namespace fakequant {

// Where the rounded weights of variants are.
enum class RoundedWeights {
  copied,    // in a copy of the whole model in memory, which is loaded as another model
  in_place,  // beside the loaded model, as far as its memory goes (weight_memory.h); copied where a quantized type is
             // stored
};

// What suits models that are computed so.
RoundedWeights suitable_for(const ComputeOptions& compute);

// How weights are stored that are computed with: in f32 arithmetic quantized tensors are promoted to F32, unless asked
// otherwise. Nothing is rounded by that.
ApplySettings storage_to_compute_with(ApplySettings asked, const ComputeOptions& compute);

// How a variant's attention is computed, where it is not as the baseline's.
struct OwnAttention {
  AttentionOptions options = {};
  std::string text = {};  // as reports say it, after the rules
};

class PreparedVariants {
 public:
  // `model` is the baseline; it must outlive this. `storage` says what becomes of quantized tensors. All variants
  // together keep weights in the memory.
  PreparedVariants(const GgufModel& model, const ApplySettings& storage, int threads,
                   RoundedWeights weights = RoundedWeights::copied, WeightMemory memory = {})
      : model_(model), storage_(storage), threads_(threads), weights_(weights), memory_(memory) {}

  // The same where and as far as suits models that are computed so.
  PreparedVariants(const GgufModel& model, const ApplySettings& storage, const ComputeOptions& compute)
      : PreparedVariants(model, storage, compute.threads, suitable_for(compute), weight_memory_for(compute)) {}

  // Adds a variant under all the recipe's rules. Returns what rounding its weights did, where it has weight rules.
  // Throws as apply_to_files does.
  std::optional<ApplyResult> add(const std::string& name, const Recipe& recipe, const OwnAttention& attention = {});

  // Adds another model as it is.
  void add_model(const std::string& name, const GgufModel& model);

  // They may be measured while this lives.
  const std::vector<Variant>& variants() const { return variants_; }

 private:
  ApplyResult change_loaded(const std::shared_ptr<WeightRounding>& rounding, const std::string& rules,
                            Variant& variant);
  ApplyResult copy_model(const Recipe& rules, Variant& variant);

  const GgufModel& model_;
  ApplySettings storage_;
  int threads_;
  RoundedWeights weights_;
  WeightMemory memory_;  // that is left
  std::vector<MemoryFile> files_;
  std::vector<Variant> variants_;
};

}  // namespace fakequant
