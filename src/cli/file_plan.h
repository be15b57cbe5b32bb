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
#include "plan/plan.h"

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
  int ctx_size = 256, chunks = 3;  // as in SweepRequest
  ComputeOptions compute;
  std::function<void(const FilePlanProgress&)> progress;
};

// K-quants, and types whose blocks of 32 divide any matrix.
const std::vector<std::string>& default_planned_types();

// The file of the importance matrix in the folder.
std::string importance_path(const std::string& folder);

// What plan_file() takes, roughly.
struct FilePlanCost {
  double seconds = 0;
  std::uint64_t bytes = 0;  // of memory
};

// By the time that the model takes for a chunk of the first text, and the sizes of its weights. Unset where the folder
// has a study already, which may need little more. Throws an Error if the model or the text cannot be read.
std::optional<FilePlanCost> foretell_file_plan(const FilePlanRequest& request);

// Throws as calibrate(), sweep() and make_plan() do, and an Error where it is interrupted.
PlanResult plan_file(const FilePlanRequest& request);

}  // namespace fakequant
