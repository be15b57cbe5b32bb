// The state of a variant during a sweep: its plan, its results in the study, and the cost of an evaluation.
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
  StudyVariant stored;  // as in the study, except for StudyVariant::start
  StudyDatabase::VariantId id = 0;
  std::map<ChunkPosition, ScoreSums> scores;  // of the chunks of the sweep
  std::size_t found = 0;                      // number of scores that the study had before
  std::optional<StartingPoint> start;         // set once a chunk was measured
  std::optional<Overflow> overflow;           // set once a logit was NaN or infinite
  bool is_precise = false;                    // the divergence has the requested precision

  bool is_weight() const { return planned.rule.pattern.kind == SiteKind::weight; }
};

// The cost of evaluating a chunk, in passes of the whole model: the layers from the first changed one on, and scoring.
inline double passes_of_chunk(const SweptVariant& variant, int model_layers) {
  constexpr double kScoring = 0.02;
  const int first = variant.start ? variant.start->layer : variant.planned.lowest_layer;
  const int layers = std::max(1, model_layers);
  return kScoring + static_cast<double>(layers - std::min(first, layers)) / layers;
}

}  // namespace fakequant
