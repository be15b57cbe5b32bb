// Finds the types of a file of a size, or of a divergence: an importance matrix, the sensitivity of each matrix to each
// type, and a plan, one after the other. These are the steps of calibrate, sweep and plan, with what they need for
// this.
//
// What was measured stays in a folder, so that another size, or what was interrupted, goes on from there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "plan/embedding_rows.h"
#include "plan/plan.h"
#include "recipe/site.h"
#include "recipe/site_pattern.h"

namespace fakequant {

struct FilePlanProgress {
  std::string step;    // "importance matrix", "sweep"
  double done = 0;     // 0..1, of the step
  std::string detail;  // what is being measured
};

struct FilePlanRequest {
  std::string model;
  std::vector<std::string> texts;  // that types are measured on; the first also gives the importances
  std::vector<std::string> types;  // to choose from; empty: default_planned_types()
  std::string folder;              // of the importance matrix and the study
  PlanRequest plan;                // its budget, and what is kept, limited or coupled; types without importances
  int refine = 0;                  // tries of refine_plan()
  bool by_kernels = false;         // as in VerifyRequest
  int ctx_size = 256, chunks = 2;  // as in SweepRequest
  ComputeOptions compute;
  std::function<void(const FilePlanProgress&)> progress;
};

// K-quants, and types whose blocks of 32 divide any matrix.
const std::vector<std::string>& default_planned_types();

// Those of the request.
const std::vector<std::string>& planned_types(const FilePlanRequest& request);

// The files of the importance matrix and of the study in the folder.
std::string importance_path(const std::string& folder);
std::string study_path(const std::string& folder);

// Of each text: chunks of the importance matrix, and of the mixes of refining, so that what a mix gains on the chunks
// of the sweep is no chance.
inline constexpr int kImportanceChunks = 32, kRefineChunks = 10;

// A site for each kind of matrix of the layers, or one for each matrix outside of them.
std::vector<SitePattern> planned_sites(const std::vector<Site>& weights, bool in_layers);

// Of the types, those that are measured at the matrices outside of the layers; the others are predicted from them. An
// embedding may have more values than all layers, and rounding it takes longer than evaluating the model.
std::vector<std::string> types_measured_outside(const std::vector<std::string>& types);

struct FilePlan {
  PlanResult plan;
  std::vector<EmbeddingRows> embeddings;  // whose divergences the plan multiplied by these factors
};

// Throws as calibrate(), sweep() and make_plan() do, and an Error where it is interrupted.
FilePlan plan_file(const FilePlanRequest& request);

}  // namespace fakequant
