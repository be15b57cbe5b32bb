// Reads a study and computes the figures from its sums.
#pragma once

#include <string>

#include "study/study_database.h"
#include "sweep/sweep_result.h"

namespace fakequant {

// The whole content of a study, as the result of one sweep over all of it. Leaves out variants that were neither
// measured nor predicted.
struct StoredStudy {
  StudySubject subject;
  SweepResult result;
};

// Throws an Error if the file holds no study. Throws what StudyDatabase throws.
StoredStudy read_study(const std::string& path);

}  // namespace fakequant
