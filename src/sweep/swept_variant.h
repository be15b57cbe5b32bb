// A variant while a sweep measures it: what was planned, what the study has of it, and what an evaluation costs.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "study/study_database.h"
#include "sweep/sweep_plan.h"

namespace fakequant {

struct SweptVariant {
  PlannedVariant planned;
  std::string name;     // its rule
  StudyVariant stored;  // as the study has it, but for where its evaluations begin
  StudyDatabase::VariantId id = 0;
  std::map<ChunkPosition, ScoreSums> scores;  // of the sweep's chunks
  std::size_t found = 0;                      // how many of them the study had before
  std::optional<StartingPoint> start;         // known once a chunk was measured
  std::optional<Overflow> overflow;           // where it overflowed
  bool is_precise = false;                    // its divergence is known as precisely as was asked for

  bool is_weight() const { return planned.rule.pattern.kind == SiteKind::weight; }
};

// What the evaluation of a chunk costs, in passes of the whole model: the layers from the first that changes, and
// scoring.
inline double passes_of_chunk(const SweptVariant& variant, int model_layers) {
  constexpr double kScoring = 0.02;
  const int first = variant.start ? variant.start->layer : variant.planned.lowest_layer;
  const int layers = std::max(1, model_layers);
  return kScoring + static_cast<double>(layers - std::min(first, layers)) / layers;
}

}  // namespace fakequant
