// Where a variant's error enters, grows and dies: the same text through the baseline and the variant, compared node by
// node.
//
// Both go through a chunk in slices of 64 tokens (up to 127 where a chunk is no multiple of 64: with fewer than 64
// llama.cpp's attention takes another way), the baseline first. Of a slice the baseline's values are kept, and each is
// compared and let go when the variant has computed the same node: so what is kept is a slice of the nodes' values and
// no more, however long the chunk (150 KB x 64 a layer of a TinyLlama, 220 MB for all of it). All logits are asked
// for, so that the last layer is computed for all tokens.
//
// Nodes are those that a rule can name. Those of both models are found by their names; they are compared where their
// shapes are the same.
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
  int ctx_size = 0;         // 0: min(512, what the model was trained for)
  int chunks = 4;           // of the text, at most: errors over a thousand tokens say what those of more would
  std::string nodes = "*";  // a pattern over the nodes' whole names
  ComputeOptions compute;
  std::set<std::string> changed_weights = {};  // that are others in the variant's file
};

// Throws as evaluate does, and a usage error when no node fits the pattern.
DriftResult measure_drift(const std::vector<std::string>& model_files, const Variant& variant, const Text& text,
                          const DriftOptions& options, const Progress& progress = {});

// The same with models that stay loaded. They lie on their own devices, whatever the options say.
DriftResult measure_drift(LoadedModels& models, const Variant& variant, const Text& text, const DriftOptions& options,
                          const Progress& progress = {});

}  // namespace fakequant
