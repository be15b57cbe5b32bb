// Totals over the chunks of a study, in the order of summation of `eval`: the chunks of each text, then the texts.
#pragma once

#include <map>

#include "study/study_database.h"

namespace fakequant {

ScoreSums total_of(const std::map<ChunkPosition, ScoreSums>& scores);
BaselineSums total_of(const std::map<ChunkPosition, BaselineSums>& chunks);

// The figures of a variant over these chunks. Of the quantiles only the maxima are set: a study stores no others.
DivergenceFigures figures_of(const std::map<ChunkPosition, ScoreSums>& scores);

}  // namespace fakequant
