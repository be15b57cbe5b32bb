#include "sweep/read_study.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "study/study_totals.h"
#include "sweep/sweep_variant.h"

namespace fakequant {

StoredStudy read_study(const std::string& path) {
  const StudyDatabase study(path, StudyAccess::read);
  const auto subject = study.subject();
  if (!subject) throw Error(fmt::format("{} is empty: there is no study in it", path));
  StoredStudy stored{*subject, {}};
  auto& result = stored.result;
  result.model = subject->model;
  result.study = path;
  result.layers = subject->layers;
  result.ctx_size = subject->ctx_size;
  result.batch_size = subject->batch_size;
  const auto baseline = study.baseline();
  for (const auto& text : subject->texts) result.texts.push_back({text.name, 0});
  for (const auto& [position, sums] : baseline) {
    if (position.text < 0 || static_cast<std::size_t>(position.text) >= result.texts.size()) {
      throw Error(fmt::format("{} is a damaged study: a chunk belongs to none of its texts", path));
    }
    ++result.texts[static_cast<std::size_t>(position.text)].chunks;
  }
  const auto sums = total_of(baseline);
  result.baseline_ppl = perplexity(sums.nll, sums.count);
  const auto predictions = study.predictions();
  for (const auto& [id, variant] : study.variants()) {
    const auto scores = study.scores(id);
    const auto found = predictions.find(id);
    const auto predicted = found == predictions.end() ? std::nullopt : std::optional(found->second);
    if (!scores.empty() || predicted || variant.overflow)
      result.variants.push_back(sweep_variant(variant, study.sites(id), scores, predicted));
  }
  result.prediction_quality = quality_of(result.variants);
  result.is_by_layer = std::any_of(result.variants.begin(), result.variants.end(),
                                   [](const SweepVariant& variant) { return variant.layer.has_value(); });
  return stored;
}

}  // namespace fakequant
