// Converts a variant of a study to a row of results. This is the only conversion from stored sums to figures.
#pragma once

#include <map>
#include <optional>

#include "study/study_database.h"
#include "sweep/sweep_result.h"

namespace fakequant {

// `scores` holds the chunks that the figures are over; it may be empty. All of them count as found in the study.
SweepVariant sweep_variant(const StudyVariant& stored, const std::vector<StudySite>& sites,
                           const std::map<ChunkPosition, ScoreSums>& scores,
                           const std::optional<PredictedDivergence>& predicted);

// The quality of the predictions of variants that were measured later.
PredictionQuality quality_of(const std::vector<SweepVariant>& variants);

}  // namespace fakequant
