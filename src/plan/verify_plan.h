// Verifies a plan: measures its recipe as `eval` does, on the chunks of the study.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "measure/text.h"
#include "plan/plan_result.h"
#include "study/study_database.h"

namespace fakequant {

struct VerifyRequest {
  std::string model;        // empty: the path in the study
  std::vector<Text> texts;  // in the order of the study
  ComputeOptions compute;
  // Of mixes that are measured one after another: weights are in the types of the file, and llama.cpp's own kernels for
  // them compute, which round the inputs of products. The baseline stays that of the study.
  bool by_kernels = false;
  std::function<void(double done)> progress;  // may be empty
  std::function<bool()> is_stopped;           // may be empty; true ends with partial results
};

// The model file that verify_plan() reads.
std::string verified_model(const StudySubject& subject, const VerifyRequest& request);

// Throws a usage error if the texts are not as many as the study's, or if the model, a text or the compute backend
// differs from the study's.
void check_verified(const StudyDatabase& study, const VerifyRequest& request, const GgufModel& model);

// Measures the chosen plan and each uniform plan that takes at most its bits. If no plan was chosen, measures the shown
// points of the front and all uniform plans. Throws as check_verified() and evaluate() do.
void verify_plan(const StudyDatabase& study, const VerifyRequest& request, PlanResult& plan);

}  // namespace fakequant
