// A variant of a study as a row of results: the one place where what a study stores of it becomes figures.
#pragma once

#include <map>
#include <optional>

#include "study/study_database.h"
#include "sweep/sweep_result.h"

namespace fakequant {

// `scores`: of the chunks that the result is about; empty where none was measured. All of them count as found in the
// study.
SweepVariant sweep_variant(const StudyVariant& stored, const std::map<ChunkPosition, ScoreSums>& scores,
                           const std::optional<PredictedDivergence>& predicted);

// How good the predictions of the variants were that have been measured since.
PredictionQuality quality_of(const std::vector<SweepVariant>& variants);

}  // namespace fakequant
