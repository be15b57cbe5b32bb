// A plan held against the model: its recipe measured as `eval` measures it, on the chunks that the study was made of.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/text.h"
#include "plan/plan_result.h"
#include "study/study_database.h"

namespace fakequant {

struct VerifyRequest {
  std::string model;        // empty: the study's path
  std::vector<Text> texts;  // in the study's order
  ComputeOptions compute;
  std::function<void(double done)> progress;  // may be empty
  std::function<bool()> is_stopped;           // likewise: whether to end with what there is
};

// The model file that will be read.
std::string verified_model(const StudySubject& subject, const VerifyRequest& request);

// Measures what was chosen, and every format that takes no more bits in its place; where nothing was chosen, the
// front's points that are shown and all formats. Throws a usage error when the model, a text, or what computes is not
// the study's; as evaluate() does.
void verify_plan(const StudyDatabase& study, const VerifyRequest& request, PlanResult& plan);

}  // namespace fakequant
