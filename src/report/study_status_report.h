// How far the sweeps of a study have come.
#pragma once

#include <string>

#include "report/json_file.h"
#include "study/study_status.h"

namespace fakequant {

std::string to_text(const StudyStatus& status);
Json to_json(const StudyStatus& status, const Provenance& provenance);

}  // namespace fakequant
