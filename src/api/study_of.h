// What the C++ interface shows of a sweep, or of a whole study.
#pragma once

#include <fakequant/study.hpp>

#include "sweep/sweep_result.h"

namespace fakequant::v0 {

Study study_of(const SweepResult& result);

}  // namespace fakequant::v0
