// A study read back: its sums as figures.
#pragma once

#include <string>

#include "study/study_database.h"
#include "sweep/sweep_result.h"

namespace fakequant {

// All that a study holds, as the result of the sweep that would have asked for it. Variants that were neither measured
// nor predicted are left out.
struct StoredStudy {
  StudySubject subject;
  SweepResult result;
};

// Throws an Error when there is no study in the file, as StudyDatabase does.
StoredStudy read_study(const std::string& path);

}  // namespace fakequant
