#include "sweep/sweep_variant.h"

#include "study/study_totals.h"
#include "study/variant_bits.h"

namespace fakequant {

SweepVariant sweep_variant(const StudyVariant& stored, const std::vector<StudySite>& sites,
                           const std::map<ChunkPosition, ScoreSums>& scores,
                           const std::optional<PredictedDivergence>& predicted) {
  SweepVariant variant;
  variant.recipe = stored.recipe;
  variant.site = stored.site;
  variant.format = stored.format;
  variant.layer = stored.layer;
  variant.storage = stored.storage;
  variant.bits = bits_per_value(parse_rule(stored.recipe), sites);
  variant.chunks = variant.chunks_found = static_cast<int>(scores.size());
  variant.overflow = stored.overflow;
  variant.figures = stored.overflow ? no_figures() : figures_of(scores);
  if (stored.start) {
    variant.first_layer = stored.start->layer;
    variant.why_whole = stored.start->why_whole;
  }
  variant.predicted = predicted;
  return variant;
}

PredictionQuality quality_of(const std::vector<SweepVariant>& variants) {
  std::vector<PredictedAndMeasured> compared;
  for (const auto& variant : variants) {
    if (!variant.predicted || variant.chunks == 0 || variant.overflow) continue;
    const auto& [kld, low, high] = *variant.predicted;
    compared.push_back({kld, low, high, variant.figures.kld.value});
  }
  return quality_of(compared);
}

}  // namespace fakequant
