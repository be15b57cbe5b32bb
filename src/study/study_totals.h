// What the chunks of a study add up to, as `eval` adds up: the chunks of a text in their order, then the texts.
#pragma once

#include <map>

#include "study/study_database.h"

namespace fakequant {

ScoreSums total_of(const std::map<ChunkPlace, StudyScore>& scores);
BaselineSums total_of(const std::map<ChunkPlace, BaselineSums>& chunks);

// A variant's figures over these chunks; of the quantiles only the largest divergence.
DivergenceFigures figures_of(const std::map<ChunkPlace, StudyScore>& scores);

}  // namespace fakequant
