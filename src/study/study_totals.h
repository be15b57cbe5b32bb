// Totals over the chunks of a study, summed in the order in which `eval` sums: the chunks of each text, then the texts.
#pragma once

#include <map>

#include "study/study_database.h"

namespace fakequant {

ScoreSums total_of(const std::map<ChunkPosition, ScoreSums>& scores);
BaselineSums total_of(const std::map<ChunkPosition, BaselineSums>& chunks);

// The figures of a variant over these chunks; of the quantiles, only the maxima that a study keeps.
DivergenceFigures figures_of(const std::map<ChunkPosition, ScoreSums>& scores);

}  // namespace fakequant
