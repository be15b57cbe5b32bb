// Finds where the error of a variant enters, grows and dies: evaluates the same text with the baseline and the variant,
// and compares the values of each node.
//
// Both evaluate a chunk in slices, the baseline first. A slice has 64 tokens, or up to 127 if the chunk is not a
// multiple of 64, because llama.cpp computes attention differently for fewer than 64 tokens. The values of the baseline
// are kept until the variant has computed the same node. So memory is limited to one slice of all nodes, however long
// the chunk: for TinyLlama 150 KB x 64 per layer, 220 MB in all. All logits are requested, so that the last layer is
// computed for all tokens.
//
// The nodes are those that a rule can name. Nodes of the two models with the same name and shape are compared.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/drift_result.h"
#include "measure/text.h"
#include "measure/variant.h"
#include "progress.h"

namespace fakequant {

struct DriftOptions {
  int ctx_size = 0;         // 0: min(512, the model's training context)
  int chunks = 4;           // maximum; errors over a thousand tokens represent those of the whole text
  std::string nodes = "*";  // a pattern that matches whole names of nodes
  ComputeOptions compute;
  std::set<std::string> changed_weights = {};  // that differ in the file of the variant
};

// Throws what evaluate() throws, and a usage error if no node matches the pattern.
DriftResult measure_drift(const std::vector<std::string>& model_files, const Variant& variant, const Text& text,
                          const DriftOptions& options, const Progress& progress = {});

// The same with models that stay loaded. Ignores the devices in the options: the models keep theirs.
DriftResult measure_drift(LoadedModels& models, const Variant& variant, const Text& text, const DriftOptions& options,
                          const Progress& progress = {});

}  // namespace fakequant
